/** Drives the built executable as its users do. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runProgram, type Ended, type RunOptions } from "./run.ts";

export const binary = join(import.meta.dir, "../../dist/servebench");
if (!existsSync(binary)) throw new Error("dist/servebench is missing: run scripts/build first");

export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return runProgram([binary, ...args], options);
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly readyLine: string;
  /** What the server wrote so far. */
  log(): string;
  readonly pid: number;
  /** Ends it by `signal` and gives its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `servebench serve` on a free port and waits until it says that it is ready. */
export async function startServer(
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunningServer> {
  const child = Bun.spawn([binary, "serve", "--port", "0", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...options,
  });
  let log = "";
  const { promise: ready, resolve, reject } = Promise.withResolvers<RegExpMatchArray>();
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      log += decoder.decode(bytes, { stream: true });
      const line = /servebench: ready at http:\/\/[^:]+:(\d+).*/.exec(log);
      if (line) resolve(line);
    }
  };
  void Promise.all([collect(child.stdout), collect(child.stderr)]).then(() =>
    reject(new Error(`the server ended before it was ready:\n${log}`)),
  );
  const [readyLine, port] = await ready;
  return {
    url: `http://127.0.0.1:${port}`,
    port: Number(port),
    readyLine,
    log: () => log,
    pid: child.pid,
    stop: async (signal = "SIGTERM") => {
      child.kill(signal);
      await child.exited;
      return child.exitCode;
    },
  };
}
