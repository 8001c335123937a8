/** A session: reads commands, runs them here or as jobs, and remembers settings, servers and results under a name. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { LiveState } from "../bench/live/state.ts";
import { liveLines } from "../bench/live/lines.ts";
import type { Command, CommandIo } from "../commands/command.ts";
import { parseFlags } from "../commands/flags.ts";
import { commandHelp } from "../commands/help.ts";
import { exitCode } from "../exit-code.ts";
import { Fleet, type FleetServer } from "../launch/index.ts";
import { nearest } from "../nearest.ts";
import { runtime } from "../runtime/index.ts";
import { dataFolder, type Store, type StoredRun } from "../store/index.ts";
import type { TerminalStyle } from "../terminal/style.ts";
import { UsageError, UserError } from "../user-error.ts";
import { GrammarError, parseLine, type Line } from "./grammar.ts";
import type { Job } from "./jobs/job.ts";
import { takeLeftovers } from "./jobs/results.ts";
import { JobTable } from "./jobs/table.ts";
import type { History } from "./line/history.ts";
import { Defaults } from "./defaults.ts";
import type { Ui } from "./ui/ui.ts";

export interface SessionParts {
  readonly ui: Ui;
  readonly store: Store;
  readonly history: History;
  /** The program's own commands, those of the session not among them. */
  readonly commands: readonly Command[];
  readonly style: TerminalStyle;
}

/** Commands that only look into the store or a file: done here, in a moment. All others are jobs. */
const quickCommands = "results table plot export import annotate relabel delete".split(" ");
/** Commands that talk with the user: they get the terminal. */
const terminalCommands = ["chat"];

/** What a job gets to end when the session does, before it is made to. */
const leaveMs = 5000;

export class Session {
  readonly ui: Ui;
  readonly store: Store;
  readonly history: History;
  readonly style: TerminalStyle;
  readonly jobs: JobTable;
  readonly programCommands: readonly Command[];
  /** Those of the session, which come first. */
  own: readonly Command[] = [];
  name = "";
  folder = "";
  fleet = new Fleet(dataFolder());
  /** The server that jobs load unless they say otherwise. */
  inUse: FleetServer | null = null;
  leaving = false;
  readonly defaults: Defaults;
  #foreground: Job | null = null;
  /** Launches in the background. */
  readonly #pending = new Set<Promise<unknown>>();

  constructor({ ui, store, history, commands, style }: SessionParts) {
    this.ui = ui;
    this.store = store;
    this.history = history;
    this.style = style;
    this.programCommands = commands;
    this.defaults = new Defaults(this);
    this.jobs = new JobTable({
      kept: (job, runs) => this.#tellKept(job, runs),
      ready: (id, line) => this.say(`[${id}] ${line}\n`),
      ended: (job, runs) => this.#tellEnded(job, runs),
    });
  }

  get commands(): readonly Command[] {
    return [...this.own, ...this.programCommands];
  }

  /** Opens a session by name, or a new one; takes in what killed ones have left in it. */
  open(name?: string): void {
    this.name = this.store.openSession(name);
    this.folder = join(
      dataFolder(),
      "sessions",
      encodeURIComponent(this.name).replace(/^\./, "%2E"),
    );
    mkdirSync(this.folder, { recursive: true });
    if (this.fleet.list().length === 0) this.fleet = new Fleet(this.folder);
    const leftovers = takeLeftovers(this.store, this.name, this.folder)
      .then((runs) => {
        if (runs.length > 0)
          this.say(
            `${listOf(runs)} kept: a job of this session was still at work when it was killed\n`,
          );
      })
      .catch((error: Error) =>
        this.ui.err(`what killed jobs have left could not be kept: ${error.message}\n`),
      );
    this.#later(leftovers);
  }

  say(text: string): void {
    this.ui.out(text);
  }

  /** Reads and runs commands until the end. @returns The exit code. */
  async run(): Promise<number> {
    let code: number = exitCode.success;
    while (!this.leaving) {
      const typed = await this.ui.read(() => this.#promptText());
      if (typed === null) {
        if (await this.mayLeave(true)) break;
        continue;
      }
      if (this.ui.interactive) this.history.add(typed.text);
      code = await this.runText(
        typed.text,
        this.ui.interactive ? null : (line) => `line ${typed.line - 1 + line}`,
      );
      if (code !== 0 && !this.ui.interactive) break;
    }
    if (!this.ui.interactive) code = await this.#finish(code);
    await this.close();
    return this.ui.interactive ? exitCode.success : code;
  }

  #promptText(): string {
    if (this.ui.columns < 40) return "> ";
    const server = this.inUse?.state === "ready" ? ` ${this.inUse.name}` : "";
    return `servebench${server}> `;
  }

  /** The end of a script: its jobs are waited for. */
  async #finish(code: number): Promise<number> {
    const { running } = this.jobs;
    if (code !== 0) for (const job of running) job.cancel();
    const all = () => Promise.all([...running.map((job) => job.finished), ...this.#pending]);
    const interrupt = () => this.jobs.running.forEach((job) => job.cancel());
    await this.ui.during(all, { interrupt, suspend: () => {} });
    const failed = running.find((job) => job.exitCode !== 0);
    return code !== 0 ? code : (failed?.exitCode ?? exitCode.success);
  }

  /** Asks where servers or jobs would end. @param atEnd The input is over: nobody may be there to answer. */
  async mayLeave(atEnd = false): Promise<boolean> {
    const servers = this.fleet.list().filter(({ state, pid }) => state !== "ended" && pid !== null);
    const counts = [
      countText(servers.length, "server"),
      countText(this.jobs.running.length, "job"),
    ];
    const what = counts.filter((text) => text !== "").join(" and ");
    if (what === "" || !this.ui.interactive) return true;
    const answer = await this.ui.ask(`${what} would end with the session. Leave? [y/N] `);
    return /^y/i.test(answer) || (atEnd && answer === "" && this.ui.ended);
  }

  /** Ends jobs and servers, and waits for them. */
  async close(): Promise<void> {
    const { running } = this.jobs;
    for (const job of running) job.cancel();
    const force = setTimeout(() => running.forEach((job) => job.cancel()), leaveMs);
    await Promise.all([...running.map((job) => job.finished), this.fleet.stopAll()]);
    clearTimeout(force);
    this.ui.close();
    this.store.close();
  }

  /**
   * Runs the commands of a text until one fails.
   * @param where Names a line of the text, from 1, in messages; null where the user sees it.
   */
  async runText(text: string, where: ((line: number) => string) | null): Promise<number> {
    for (let at = 0; at < text.length && !this.leaving;) {
      const rest = text.slice(at);
      const place = where?.(text.slice(0, at).split("\n").length) ?? "";
      let next = rest.length;
      let code: number;
      try {
        const line = parseLine(rest);
        next = line.next;
        code = await this.#runLine(line, rest.slice(0, line.next).trim());
      } catch (error) {
        code = this.#mistake(error, place);
      }
      if (code !== exitCode.success) {
        if (place !== "")
          this.ui.err(`${place}: ended with exit code ${code}; what follows was not run\n`);
        return code;
      }
      at += next;
    }
    return exitCode.success;
  }

  #mistake(error: unknown, place: string): number {
    const ahead = place === "" ? "" : `${place}: `;
    if (error instanceof UserError) {
      this.ui.err(`${ahead}${error.message}\n`);
      return error instanceof UsageError ? exitCode.usage : exitCode.failure;
    }
    // A fault of ours should not cost the user a loaded model.
    this.ui.err(`${ahead}internal error: ${(error as Error)?.stack ?? String(error)}\n`);
    return exitCode.failure;
  }

  async #runLine({ words, shell, background }: Line, text: string): Promise<number> {
    if (shell !== null) return this.#runShell(shell);
    const [name, ...argv] = words;
    if (name === undefined) return exitCode.success;
    const command = this.find(name);
    if (argv.includes("--help") || argv.includes("-h")) {
      this.say(this.help(command));
      return exitCode.success;
    }
    try {
      return await this.#runCommand(command, argv, text, background);
    } catch (error) {
      if (error instanceof GrammarError || !(error instanceof UserError)) throw error;
      const Kind = error instanceof UsageError ? UsageError : UserError;
      throw new Kind(`${command.name}: ${error.message}`, { cause: error });
    }
  }

  lookUp(name: string): Command | undefined {
    return this.commands.find((c) => c.name === name || c.aliases.includes(name));
  }

  /** @throws UsageError with near names. */
  find(name: string): Command {
    const found = this.lookUp(name);
    if (found) return found;
    const names = this.commands.flatMap((c) => [c.name, ...c.aliases]);
    throw new UsageError(
      `unknown command '${name}'${nearest(name, names)}; help lists the commands`,
    );
  }

  help(command: Command): string {
    const text = commandHelp(command);
    return this.own.includes(command) ? text.replace("Usage: servebench ", "Usage: ") : text;
  }

  async #runCommand(command: Command, argv: readonly string[], text: string, background: boolean) {
    const here = this.own.includes(command) || quickCommands.includes(command.name);
    if (here && background && command.name !== "launch") {
      throw new UsageError("is done in a moment; & is for jobs like bench, and for launch");
    }
    if (here) {
      const own = this.defaults.sessionWordsFor(command, argv);
      return this.#runHere(command, [...argv, ...own], background);
    }
    const all = [...argv, ...this.defaults.wordsFor(command, argv)];
    if (terminalCommands.includes(command.name)) {
      parseFlags(command.flags, all, command.words); // mistakes are told here
      if (background) throw new UsageError("talks with you, which it cannot in the background");
      return this.#runProgram([...runtime.selfCommand(), command.name, ...all]);
    }
    const line = text.replace(/\s*&$/, "");
    const { columns } = this.ui;
    const place = { store: this.store, session: this.name, folder: this.folder };
    const server = this.defaults.loadsServerInUse(command, argv) ? this.inUse : null;
    const job = this.jobs.start(place, { command, argv: all, line, columns, server });
    if (!background) return this.watch(job);
    this.say(`[${job.spec.id}] started; fg shows it\n`);
    return exitCode.success;
  }

  async #runHere(command: Command, argv: readonly string[], background: boolean): Promise<number> {
    const controller = new AbortController();
    const work = () => command.run(argv, this.#io(controller.signal, background));
    if (background) {
      this.#later(work().catch((error: unknown) => this.#mistake(error, command.name)));
      return exitCode.success;
    }
    return this.ui.during(work, {
      interrupt: () => controller.abort(new UserError("interrupted")),
      suspend: () => this.say("only jobs go on in the background\n"),
    });
  }

  #later(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  #io(signal: AbortSignal, background: boolean): CommandIo {
    const { ui, style } = this;
    return {
      stdout: (text) => ui.out(text),
      stderr: (text) => ui.err(text),
      isTerminal: ui.interactive && !background,
      columns: ui.columns,
      output: { ...style, columns: style.columns === null ? null : ui.columns },
      ask: ui.interactive && !background ? (question) => ui.ask(question) : null,
      signal,
    };
  }

  #runShell(line: string): Promise<number> {
    return this.#runProgram([process.env["SHELL"] || "/bin/sh", "-c", line]);
  }

  #runProgram([program, ...args]: readonly string[]): Promise<number> {
    return this.ui.lend(async (stdin) => {
      const child = spawn(program!, args, { stdio: [stdin, "inherit", "inherit"] });
      const code = await new Promise<number>((resolve) => {
        child.on("exit", (status) => resolve(status ?? exitCode.interrupted));
        child.on("error", (error) => {
          this.ui.err(`cannot start ${program}: ${error.message}\n`);
          resolve(exitCode.failure);
        });
      });
      if (code !== 0 && this.ui.interactive) this.say(`(exit code ${code})\n`);
      return code;
    });
  }

  /** Shows a job until it ends or goes to the background. */
  async watch(job: Job): Promise<number> {
    const { ui, style } = this;
    const left = Promise.withResolvers<"left">();
    this.#foreground = job;
    const live = (): void => {
      if (job.running && job.figures !== null)
        ui.status(liveLines(job.figures as LiveState, ui.columns, style));
    };
    job.watch({ output: (text) => ui.out(text), live });
    const state = await ui.during(() => Promise.race([job.finished, left.promise]), {
      interrupt: () => this.cancel(job),
      suspend: () => left.resolve("left"),
    });
    job.unwatch();
    this.#foreground = null;
    if (state === "left") {
      this.say(`[${job.spec.id}] goes on in the background; fg brings it back\n`);
      return exitCode.success;
    }
    const code = job.exitCode ?? exitCode.failure;
    if (code !== 0 && ui.interactive) ui.err(`${job.spec.line.split(/\s/)[0]} ${endText(job)}\n`);
    return code;
  }

  /** In two steps: asked, then made to. */
  cancel(job: Job): void {
    job.cancel();
    const again =
      job.cancelled === "asked"
        ? "asked to finish and keep what it has; once more ends it by force"
        : "ended by force";
    this.say(`[${job.spec.id}] ${again}\n`);
  }

  #tellKept(job: Job, runs: readonly StoredRun[]): void {
    this.say(`[${job.spec.id}] kept as ${listOf(runs)}\n`);
  }

  #tellEnded(job: Job, runs: readonly StoredRun[]): void {
    if (runs.length > 1)
      this.say(`[${job.spec.id}] report ${rangeOf(runs)} makes a page of them\n`);
    if (job === this.#foreground || this.leaving) return;
    const line = `[${job.spec.id}] ${endText(job)}: ${job.spec.line}\n`;
    if (job.exitCode === 0) this.say(line);
    else this.ui.err(line);
  }
}

export function endText({ exitCode: code, cancelled, startedAt, endedAt }: Job): string {
  const seconds = ((endedAt?.getTime() ?? Date.now()) - startedAt.getTime()) / 1000;
  const after = `after ${seconds < 100 ? seconds.toPrecision(2) : Math.round(seconds)} s`;
  if (code === 0) return `done ${after}`;
  return `${cancelled === "no" ? "failed" : "cancelled"} ${after} (exit code ${code})`;
}

const listOf = (runs: readonly StoredRun[]): string => runs.map(({ label }) => label).join(", ");

/** As commands take it: r2..r5. */
const rangeOf = (runs: readonly StoredRun[]): string =>
  runs.every(({ id }, i) => id === runs[0]!.id + i)
    ? `${runs[0]!.label}..${runs.at(-1)!.label}`
    : runs.map(({ label }) => label).join(" ");

const countText = (count: number, noun: string): string =>
  count === 0 ? "" : `${count} ${noun}${count > 1 ? "s" : ""}`;
