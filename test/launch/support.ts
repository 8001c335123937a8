/** The fake server's launch, and whether its processes live. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerSpec } from "../../src/launch/index.ts";

export function fakeSpec(logFile: string, words: readonly string[] = []): ServerSpec {
  return {
    command: [process.execPath, join(import.meta.dir, "fake-server.ts"), ...words],
    logFile,
    address: (log) => /listening at (\S+)/.exec(log)?.[1] ?? null,
    readyTimeoutMs: 20_000,
  };
}

/** Server, supervisor, child, stray child. */
export function fakePids(logFile: string): readonly number[] {
  const line = /pids (.*)/.exec(readFileSync(logFile, "utf8"));
  return line![1]!.split(" ").map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits until none of the processes lives, or rather until the test's time is up. */
export async function allGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await Bun.sleep(20);
}
