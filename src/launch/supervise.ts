/**
 * The supervisor: a small process between us and a server, so that the server and all that it forks end when
 * we do, even by kill -9. It lives in a session of its own, out of reach of the terminal's signals; its
 * standard input is a pipe that only we hold, which the kernel closes when we are gone.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { adoptOrphans, killDescendants } from "./processes.ts";

/** What a server gets between the request to end and its end by force. Its own grace is 10 s. */
const stopGraceMs = 15_000;
/** The same when there is nobody left to wait for it. */
const orphanGraceMs = 2_000;

/**
 * Runs `command` until it ends, `signal` asks it to, or standard input closes; then ends what it has left behind.
 * Resolves to the server's exit code, 128 + n for signal n.
 */
export async function supervise(command: readonly string[], signal: AbortSignal): Promise<number> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error("supervise: no command");
  adoptOrphans();
  process.on("exit", killDescendants);
  const server = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  const ended = new Promise<number>((resolve) => {
    server.on("error", (error) => {
      process.stderr.write(`cannot start ${program}: ${error.message}\n`);
      resolve(127);
    });
    server.on("exit", (code, name) => resolve(code ?? 128 + constants.signals[name!]));
  });
  const graceMs = await Promise.race([ended.then(() => 0), asked(signal), orphaned()]);
  if (graceMs > 0) {
    server.kill("SIGTERM");
    await Promise.race([ended, elapsed(graceMs)]);
  }
  killDescendants();
  process.stdin.destroy();
  return await ended;
}

function asked(signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(stopGraceMs);
    else signal.addEventListener("abort", () => resolve(stopGraceMs), { once: true });
  });
}

function orphaned(): Promise<number> {
  return new Promise((resolve) => {
    process.stdin.on("close", () => resolve(orphanGraceMs));
    process.stdin.on("end", () => resolve(orphanGraceMs));
    process.stdin.on("error", () => resolve(orphanGraceMs));
    process.stdin.resume();
  });
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
