/**
 * Locks between processes that load the same file, the same that huggingface_hub takes: flock on a file under
 * `.locks`. The kernel frees them when a process ends, however it ends.
 */
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runtime } from "../runtime/index.ts";

const symbols = {
  open: { args: ["buffer", "i32", "i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
} as const;
const createToWrite = 0o100 | 0o2 | 0o2000000; // O_CREAT | O_RDWR | O_CLOEXEC
const exclusiveAtOnce = 2 | 4; // LOCK_EX | LOCK_NB
const pollMs = 200;

export interface Lock {
  /** False where the file system knows no locks: others may be at the same file. */
  readonly exclusive: boolean;
  release(): void;
}

/** Waits for the lock; `onWait` is called if another process has it. Rejects when the signal aborts. */
export async function lockFile(
  path: string,
  signal: AbortSignal,
  onWait: () => void,
): Promise<Lock> {
  const libc = runtime.open("libc.so.6", symbols);
  const open = (name: string) => libc.open(Buffer.from(`${name}\0`), createToWrite, 0o666);
  mkdirSync(dirname(path), { recursive: true });
  const fd = open(path);
  const release = () => void libc.close(fd);
  if (fd < 0) return { exclusive: false, release: () => {} };
  let waits = false;
  try {
    while (libc.flock(fd, exclusiveAtOnce) !== 0) {
      if (!waits && !locksWork(`${path}.${process.pid}`, open, libc)) {
        return { exclusive: false, release };
      }
      if (!waits) onWait();
      waits = true;
      await delay(pollMs, undefined, { signal });
    }
  } catch (error) {
    release();
    throw error;
  }
  return { exclusive: true, release };
}

/** Whether a file that nobody else knows can be locked. */
function locksWork(
  path: string,
  open: (name: string) => number,
  libc: { flock(fd: number, operation: number): number; close(fd: number): number },
): boolean {
  const fd = open(path);
  const works = fd >= 0 && libc.flock(fd, exclusiveAtOnce) === 0;
  if (fd >= 0) libc.close(fd);
  rmSync(path, { force: true });
  return works;
}
