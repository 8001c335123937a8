/**
 * One command line of the session as a child process. It runs under the supervisor, so that it ends with the session
 * however that ends; what it writes comes through pipes and is kept in the job's log.
 */
import type { ChildProcess } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { spawnSupervised } from "../../launch/index.ts";
import { runtime } from "../../runtime/index.ts";
import { LiveSplitter } from "./split.ts";

export interface JobSpec {
  /** In the session, from 1. */
  readonly id: number;
  /** As the user typed it. */
  readonly line: string;
  readonly argv: readonly string[];
  readonly logFile: string;
  readonly columns: number;
  /** A line that says where a server can be reached now, from a job that nobody watches. */
  readonly onReady: (line: string) => void;
}

/** Takes what a job in the foreground writes. */
export interface JobView {
  output(text: string): void;
  /** New live figures. */
  live(): void;
}

/** What a job wrote while nobody watched is kept for `fg`, its end if it is much. */
const unseenLimit = 1 << 18;

export class Job {
  readonly startedAt = new Date();
  endedAt: Date | null = null;
  exitCode: number | null = null;
  /** Asked to end, then made to. */
  cancelled: "no" | "asked" | "forced" = "no";
  /** The last live figures, as the program sent them. */
  figures: unknown = null;
  /** The process has ended, with this exit code. */
  readonly ended: Promise<number>;
  /** Its results are in, too. */
  readonly finished: Promise<void>;
  #finish: () => void = () => {};
  readonly pid: number | null;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  #view: JobView | null = null;
  #unseen = "";

  readonly spec: JobSpec;

  constructor(spec: JobSpec) {
    this.spec = spec;
    this.#log = createWriteStream(spec.logFile);
    this.#log.on("error", () => {}); // a full disk must not end the job
    const command = [...runtime.selfCommand(), ...spec.argv];
    const environment = { SERVEBENCH_LIVE: "1", COLUMNS: String(spec.columns) };
    this.#child = spawnSupervised(command, ["pipe", "pipe", "pipe"], environment);
    this.pid = this.#child.pid ?? null;
    this.#child.stdin!.on("error", () => {});
    const read = [this.#readOutput(), this.#readErrors()];
    this.ended = this.#end(read);
    this.finished = new Promise((resolve) => (this.#finish = resolve));
  }

  get running(): boolean {
    return this.endedAt === null;
  }

  /** Hands over what it wrote meanwhile, then all that it writes. */
  watch(view: JobView): void {
    this.#view = view;
    if (this.#unseen !== "") view.output(this.#unseen);
    this.#unseen = "";
  }

  unwatch(): void {
    this.#view = null;
  }

  /** A sentence of the session's about it. */
  complain(text: string): void {
    this.#take(`${text}\n`);
  }

  /** Its results are in. */
  finish(): void {
    this.#log.end();
    this.#finish();
  }

  /** Asks it to end and keep what it has; at the second time ends it by force. */
  cancel(): void {
    if (!this.running) return;
    this.cancelled = this.cancelled === "no" ? "asked" : "forced";
    this.#child.kill("SIGTERM"); // to the supervisor, which insists when it is told again
  }

  async #readOutput(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout!) {
      this.#take(decoder.decode(bytes as Uint8Array, { stream: true }));
    }
  }

  async #readErrors(): Promise<void> {
    const decoder = new TextDecoder();
    const splitter = new LiveSplitter();
    const live = (json: string) => {
      try {
        this.figures = JSON.parse(json);
        this.#view?.live();
      } catch {
        return; // a torn line; the next comes in a tenth of a second
      }
    };
    for await (const bytes of this.#child.stderr!) {
      this.#take(splitter.feed(decoder.decode(bytes as Uint8Array, { stream: true }), live));
    }
  }

  #take(text: string): void {
    if (text === "") return;
    this.#log.write(text);
    if (this.#view) this.#view.output(text);
    else {
      this.#unseen = (this.#unseen + text).slice(-unseenLimit);
      const ready = /^.*: ready at http.*$/m.exec(text);
      if (ready) this.spec.onReady(ready[0]);
    }
  }

  async #end(read: readonly Promise<void>[]): Promise<number> {
    const exitCode = await new Promise<number>((resolve) => {
      this.#child.on("exit", (code) => resolve(code ?? 137));
      this.#child.on("error", (error) => {
        this.#take(`cannot start ${this.#child.spawnfile}: ${error.message}\n`);
        resolve(127);
      });
    });
    await Promise.allSettled(read);
    this.exitCode = exitCode;
    this.endedAt = new Date();
    return exitCode;
  }
}
