/** Starts a server as a child process, waits until it answers, watches it, and ends it. */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { constants } from "node:os";
import { runtime } from "../runtime/index.ts";
import { UserError } from "../user-error.ts";
import { openLog, type ServerLog } from "./log.ts";
import { descendants, signal as send } from "./processes.ts";

/** What to start, and how to tell that it can answer. */
export interface ServerSpec {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Variables of the environment beside ours. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the server writes is appended here, also after our own death. */
  readonly logFile: string;
  /**
   * The server's address, e.g. "http://127.0.0.1:30000", once `log`, the text since the start, says it; null before.
   * The server is ready when GET /health answers 200 there, or, if it knows no /health, GET /v1/models.
   */
  readonly address: (log: string) => string | null;
  readonly readyTimeoutMs: number;
}

export interface LaunchIo {
  /** Gives up waiting and ends the server. */
  readonly signal: AbortSignal;
  /** Called several times a second while the server is not ready. */
  readonly onWait: (seconds: number, lastLine: string) => void;
}

/** A server that was started and may not be ready yet. */
export interface StartedServer {
  readonly log: ServerLog;
  /** The server's exit code, when it has ended for whatever reason and nothing of it is left. */
  readonly ended: Promise<number>;
  /** The server's own process id, once the supervisor has started it; null when it is gone. */
  pid(): number | null;
  /**
   * Waits until the server is ready and gives its address.
   * @throws UserError with the log's last lines if it ends or the time is up first; the signal's reason on abort. The
   * server has ended then.
   */
  ready(io: LaunchIo): Promise<string>;
  /** What to tell of a server that answers no more, with the log's last lines. */
  crash(): Promise<UserError>;
  /** Asks the server to end, insists after a while, and waits until it and all it has forked are gone. */
  stop(): Promise<void>;
}

export interface LaunchedServer {
  readonly baseUrl: string;
  readonly ended: Promise<number>;
  /** The end of what the server has written. */
  log(): string;
  /** null while the server answers; else what became of it, with the log's last lines. */
  crash(signal: AbortSignal): Promise<UserError | null>;
  stop(): Promise<void>;
}

const pollMs = 50;
const shownLines = 15;

/** Starts a server and waits until it is ready. @throws as `StartedServer.ready` */
export async function launchServer(spec: ServerSpec, io: LaunchIo): Promise<LaunchedServer> {
  const server = startServer(spec);
  const baseUrl = await server.ready(io);
  const crash = async (signal: AbortSignal): Promise<UserError | null> =>
    (await healthStatus(baseUrl, signal)) === 200 ? null : server.crash();
  return { baseUrl, ended: server.ended, log: server.log.read, crash, stop: server.stop };
}

/** @throws UserError if the log cannot be written. */
export function startServer(spec: ServerSpec): StartedServer {
  const log = openLog(spec.logFile);
  const supervisor = spawnSupervised(spec.command, ["pipe", log.fd, log.fd], spec.environment);
  const ended = exitOf(supervisor).then((code) => {
    // It has left nothing behind, unless it was killed itself: then the group, which it led, is still there.
    send(-supervisor.pid!, "SIGKILL");
    return code;
  });
  const stop = async (): Promise<void> => {
    supervisor.kill("SIGTERM");
    await ended;
  };
  const ready = async (io: LaunchIo): Promise<string> => {
    try {
      return await whenReady(spec, log, ended, io);
    } catch (error) {
      await stop();
      throw error;
    }
  };
  const pid = (): number | null => descendants(supervisor.pid!)[0] ?? null;
  return { log, ended, pid, ready, crash: () => crashOf(ended, log), stop };
}

/**
 * Starts a command that ends with us, however we end: under a supervisor, which leads a process group out of reach of the
 * terminal's signals and holds the pipe.
 */
export function spawnSupervised(
  command: readonly string[],
  stdio: StdioOptions,
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const [program, ...args] = [...runtime.selfCommand(), "supervise", ...command];
  return spawn(program!, args, {
    detached: true,
    stdio,
    env: { ...process.env, ...environment },
  });
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("exit", (code) => resolve(code ?? 137));
    child.on("error", () => resolve(127));
  });
}

async function whenReady(
  { address, readyTimeoutMs }: ServerSpec,
  log: ServerLog,
  ended: Promise<number>,
  { signal, onWait }: LaunchIo,
): Promise<string> {
  let exitCode: number | null = null;
  void ended.then((code) => (exitCode = code));
  const startMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const text = log.read();
    if (exitCode !== null) throw await crashOf(ended, log);
    const baseUrl = address(text);
    if (baseUrl !== null && (await canAnswer(baseUrl, signal)) && exitCode === null) return baseUrl;
    const waitedMs = performance.now() - startMs;
    if (waitedMs > readyTimeoutMs) {
      const seconds = Math.round(readyTimeoutMs / 1000);
      throw new UserError(`the server was not ready within ${seconds} s. ${quote(log)}`);
    }
    onWait(waitedMs / 1000, text.trimEnd().split("\n").at(-1)!);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function canAnswer(baseUrl: string, signal: AbortSignal): Promise<boolean> {
  const health = await healthStatus(baseUrl, signal);
  if (health !== 404) return health === 200;
  return (await getStatus(`${baseUrl}/v1/models`, signal)) === 200;
}

/** How long a server may take to say that it is well. */
const healthTimeoutMs = 10_000;

/** The HTTP status of GET /health; null when nothing answers. */
export const healthStatus = (baseUrl: string, signal: AbortSignal): Promise<number | null> =>
  getStatus(`${baseUrl}/health`, signal);

async function getStatus(url: string, signal: AbortSignal): Promise<number | null> {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(healthTimeoutMs)]);
    return (await fetch(url, { signal: patience })).status;
  } catch {
    return null;
  }
}

/** Its end may take a moment to be known. */
async function crashOf(ended: Promise<number>, log: ServerLog): Promise<UserError> {
  const patience = new Promise<null>((resolve) => void setTimeout(resolve, 5000, null).unref());
  const exitCode = await Promise.race([ended, patience]);
  const what = exitCode === null ? "does not answer any more" : `ended with ${exitText(exitCode)}`;
  return new UserError(`the server ${what}. ${quote(log)}`);
}

/** "exit code 137 (SIGKILL)": a shell's way to count the signal that ended a process. */
function exitText(code: number): string {
  const [name] =
    Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? [];
  const memory = name === "SIGKILL" ? "; the kernel does that, too, when memory runs out" : "";
  return `exit code ${code}${name === undefined ? "" : ` (${name}${memory})`}`;
}

/** The log's end, for the message of a crash. */
function quote(log: ServerLog): string {
  const lines = log.lines(shownLines);
  if (lines.join("").trim() === "") return `It wrote nothing to ${log.path}.`;
  return `The last lines of ${log.path}:\n${lines.map((line) => `  | ${line}`).join("\n")}`;
}
