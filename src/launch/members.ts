/** One server of the fleet: started here, or attached. */
import { UserError } from "../user-error.ts";
import { listedModel } from "./models.ts";
import { startServer, type LaunchIo, type StartedServer } from "./server.ts";
export interface ServerEnd {
  /** null for one that was not started here. */
  readonly exitCode: number | null;
  /** What to tell the user, with the log's last lines; null where the end was asked for. */
  readonly crash: string | null;
}

/** A server of the fleet. */
export interface FleetServer {
  readonly name: string;
  /** "attached": it ran already. */
  readonly template: string;
  /** For `bench --backend`. */
  readonly backend: string;
  readonly baseUrl: string;
  /** As requests name it; null while it is not known. */
  readonly model: string | null;
  /** What `bench --tokenizer` can take; null where the model's name will do or nothing is known. */
  readonly tokenizer: string | null;
  /** Of the server itself; null for one that is attached or has ended. */
  readonly pid: number | null;
  readonly state: "starting" | "ready" | "ended";
  readonly exitCode: number | null;
  readonly startedAt: Date;
  /** Empty for one that is attached. */
  readonly commandLine: readonly string[];
  /** null for one that is attached. */
  readonly logFile: string | null;
  /** The last lines of what it has written. */
  log(lines: number): readonly string[];
  /** Hands over what it writes from now on, until the signal is aborted. */
  follow(take: (text: string) => void, signal: AbortSignal): Promise<void>;
  /** Calls back once, when a server that was ready has ended; at once if it has already. */
  onEnd(listener: (end: ServerEnd) => void): void;
}

/** What `Fleet.launch` has decided. */
export interface StartPlan {
  readonly template: string;
  readonly command: readonly string[];
  readonly baseUrl: string;
  /** Its first group is the address, when the server itself says that it is ready. */
  readonly readyLine: RegExp | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly backend: string;
  readonly tokenizer: string | null;
}

/** Loading tens of gigabytes from a slow disk is not a fault. */
const readyTimeoutMs = 60 * 60 * 1000;

export class StartedMember implements FleetServer {
  readonly name: string;
  readonly template: string;
  readonly backend: string;
  readonly baseUrl: string;
  readonly tokenizer: string | null;
  readonly commandLine: readonly string[];
  readonly logFile: string;
  readonly startedAt = new Date();
  model: string | null = null;
  state: FleetServer["state"] = "starting";
  exitCode: number | null = null;
  readonly #server: StartedServer;
  readonly #listeners: ((end: ServerEnd) => void)[] = [];
  readonly #stopping = new AbortController();
  #end: ServerEnd | null = null;

  /** Starts it. @throws UserError if its log cannot be written. */
  constructor(name: string, plan: StartPlan, logFile: string) {
    const { readyLine, baseUrl, command, environment } = plan;
    this.name = name;
    this.template = plan.template;
    this.backend = plan.backend;
    this.baseUrl = baseUrl;
    this.tokenizer = plan.tokenizer;
    this.commandLine = command;
    this.logFile = logFile;
    const address = (log: string): string | null =>
      readyLine === null ? baseUrl : (readyLine.exec(log)?.[1] ?? null);
    this.#server = startServer({ command, environment, logFile, address, readyTimeoutMs });
    void this.#server.ended.then((exitCode) => this.#ended(exitCode));
  }

  get pid(): number | null {
    return this.state === "ended" ? null : this.#server.pid();
  }

  async whenReady(io: LaunchIo): Promise<void> {
    const signal = AbortSignal.any([io.signal, this.#stopping.signal]);
    try {
      await this.#server.ready({ ...io, signal });
    } catch (error) {
      throw error instanceof UserError ? this.#named(error) : error;
    }
    this.model = (await listedModel(this.baseUrl))?.id ?? null;
    this.state = "ready";
  }

  log(lines: number): readonly string[] {
    return this.#server.log.lines(lines);
  }

  follow(take: (text: string) => void, signal: AbortSignal): Promise<void> {
    return this.#server.log.follow(take, signal);
  }

  onEnd(listener: (end: ServerEnd) => void): void {
    if (this.#end) listener(this.#end);
    else this.#listeners.push(listener);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new UserError("it was stopped before it was ready"));
    await this.#server.stop();
    await this.#server.ended;
  }

  async #ended(exitCode: number): Promise<void> {
    const wasReady = this.state === "ready";
    this.state = "ended";
    this.exitCode = exitCode;
    if (!wasReady) return; // whoever waits for it is told
    const asked = this.#stopping.signal.aborted;
    const crash = asked ? null : this.#named(await this.#server.crash()).message;
    this.#end = { exitCode, crash };
    for (const listener of this.#listeners) listener(this.#end);
  }

  #named(error: UserError): UserError {
    return new UserError(`${this.name}: ${error.message}`, { cause: error });
  }
}

/** A server that ran already: it is used, and never ended. */
export class AttachedMember implements FleetServer {
  readonly name: string;
  readonly template = "attached";
  readonly backend: string;
  readonly baseUrl: string;
  readonly model: string | null;
  readonly tokenizer = null;
  readonly pid = null;
  readonly exitCode = null;
  readonly startedAt = new Date();
  readonly commandLine = [];
  readonly logFile = null;
  state: FleetServer["state"] = "ready";

  constructor(name: string, baseUrl: string, backend: string, model: string | null) {
    this.name = name;
    this.baseUrl = baseUrl;
    this.backend = backend;
    this.model = model;
  }

  log(): readonly string[] {
    return [`${this.name} was not started here: its log is where it was started`];
  }
  async follow(): Promise<void> {}
  onEnd(): void {}
  async stop(): Promise<void> {
    this.state = "ended";
  }
}
