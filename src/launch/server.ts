/** Starts a server as a child process, waits until it answers, watches it, and ends it. */
import { spawn, type ChildProcess } from "node:child_process";
import { fstatSync, openSync, readSync } from "node:fs";
import { runtime } from "../runtime/index.ts";
import { UserError } from "../user-error.ts";
import { signal as send } from "./processes.ts";

/** What to start, and how to tell that it can answer. */
export interface ServerSpec {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** What the server writes is appended here, also after our own death. */
  readonly logFile: string;
  /**
   * The server's address, e.g. "http://127.0.0.1:30000", once `log`, the text since the start, says it; null before.
   * The server is ready when GET /health answers 200 there.
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

export interface LaunchedServer {
  readonly baseUrl: string;
  /** The server's exit code, when it has ended for whatever reason and nothing of it is left. */
  readonly ended: Promise<number>;
  /** The end of what the server has written. */
  log(): string;
  /** null while the server answers; else what became of it, with the log's last lines. */
  crash(signal: AbortSignal): Promise<UserError | null>;
  /** Asks the server to end, insists after a while, and waits until it and all it has forked are gone. */
  stop(): Promise<void>;
}

const pollMs = 50;
/** The most of a log's end that is ever read. */
const tailBytes = 1 << 16;
const shownLines = 15;

/**
 * Starts a server and waits until it is ready.
 * @throws UserError with the log's last lines if it ends or the time is up first; the signal's reason on abort.
 */
export async function launchServer(spec: ServerSpec, io: LaunchIo): Promise<LaunchedServer> {
  const log = openLog(spec.logFile);
  const server = startSupervised(spec.command, log);
  try {
    const baseUrl = await ready(spec, log, server.ended, io);
    const crash = async (signal: AbortSignal): Promise<UserError | null> => {
      if ((await healthStatus(baseUrl, signal)) === 200) return null;
      return crashOf(server.ended, spec.logFile, log);
    };
    return { baseUrl, ...server, log: log.read, crash };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

interface Supervised {
  readonly ended: Promise<number>;
  stop(): Promise<void>;
}

function startSupervised(command: readonly string[], log: Log): Supervised {
  const [program, ...args] = [...runtime.selfCommand(), "supervise", ...command];
  const supervisor = spawn(program!, args, { detached: true, stdio: ["pipe", log.fd, log.fd] });
  const ended = exitOf(supervisor).then((code) => {
    // It has left nothing behind, unless it was killed itself: then the group, which it led, is still there.
    send(-supervisor.pid!, "SIGKILL");
    return code;
  });
  const stop = async (): Promise<void> => {
    supervisor.kill("SIGTERM");
    await ended;
  };
  return { ended, stop };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("exit", (code) => resolve(code ?? 137));
    child.on("error", () => resolve(127));
  });
}

async function ready(
  { address, readyTimeoutMs, logFile }: ServerSpec,
  log: Log,
  ended: Promise<number>,
  { signal, onWait }: LaunchIo,
): Promise<string> {
  let exitCode: number | null = null;
  void ended.then((code) => (exitCode = code));
  const startMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const text = log.read();
    if (exitCode !== null) throw await crashOf(ended, logFile, log);
    const baseUrl = address(text);
    if (baseUrl !== null && (await healthStatus(baseUrl, signal)) === 200) return baseUrl;
    const waitedMs = performance.now() - startMs;
    if (waitedMs > readyTimeoutMs) {
      const seconds = Math.round(readyTimeoutMs / 1000);
      throw new UserError(`the server was not ready within ${seconds} s. ${quote(logFile, text)}`);
    }
    onWait(waitedMs / 1000, lastLines(text, 1));
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** How long a server may take to say that it is well. */
const healthTimeoutMs = 10_000;

/** The HTTP status of GET /health; null when nothing answers. */
export async function healthStatus(baseUrl: string, signal: AbortSignal): Promise<number | null> {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(healthTimeoutMs)]);
    return (await fetch(`${baseUrl}/health`, { signal: patience })).status;
  } catch {
    return null;
  }
}

/** What to tell of a server that answers no more. Its end may take a moment to be known. */
async function crashOf(ended: Promise<number>, logFile: string, log: Log): Promise<UserError> {
  const patience = new Promise<null>((resolve) => void setTimeout(resolve, 5000, null).unref());
  const exitCode = await Promise.race([ended, patience]);
  const what = exitCode === null ? "does not answer any more" : `ended with exit code ${exitCode}`;
  return new UserError(`the server ${what}. ${quote(logFile, log.read())}`);
}

/** A file that a server's output is appended to, and our view of what was written since it was opened. */
interface Log {
  readonly fd: number;
  /** The end of what was written. */
  read(): string;
}

function openLog(path: string): Log {
  let fd: number;
  try {
    fd = openSync(path, "a+");
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError(`cannot write the server's log ${path}: ${why}`, { cause: error });
  }
  const startBytes = fstatSync(fd).size;
  const read = (): string => {
    const { size } = fstatSync(fd);
    const from = Math.max(startBytes, size - tailBytes);
    const bytes = new Uint8Array(Math.max(0, size - from));
    const length = readSync(fd, bytes, 0, bytes.length, from);
    return new TextDecoder().decode(bytes.subarray(0, length));
  };
  return { fd, read };
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** The log's end, for the message of a crash. */
function quote(logFile: string, text: string): string {
  if (text.trim() === "") return `It wrote nothing to ${logFile}.`;
  return `The last lines of ${logFile}:\n${lastLines(text, shownLines).replaceAll(/^/gm, "  | ")}`;
}
