/** A server's log file: what the server writes goes there directly, and is read from there. */
import { fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../user-error.ts";

/** A file that a server's output is appended to, and our view of what was written since it was opened. */
export interface ServerLog {
  readonly path: string;
  /** For the server's standard output and error. */
  readonly fd: number;
  /** The end of what was written, 64 KB at most. */
  read(): string;
  /** The last `count` lines of what was written. */
  lines(count: number): readonly string[];
  /** Hands over what is written from now on; resolves when the signal is aborted. */
  follow(take: (text: string) => void, signal: AbortSignal): Promise<void>;
}

const tailBytes = 1 << 16;
const followMs = 100;

/** Makes the folder too. @throws UserError if the file cannot be written. */
export function openLog(path: string): ServerLog {
  const fd = openForAppending(path);
  const size = (): number => fstatSync(fd).size;
  const startBytes = size();
  const bytes = (from: number, to: number): Uint8Array => {
    const read = new Uint8Array(Math.max(0, to - from));
    return read.subarray(0, readSync(fd, read, 0, read.length, from));
  };
  const tail = (length: number): { text: string; whole: boolean } => {
    const end = size();
    const from = Math.max(startBytes, end - length);
    return { text: new TextDecoder().decode(bytes(from, end)), whole: from === startBytes };
  };
  const lines = (count: number): readonly string[] => {
    for (let length = tailBytes; ; length *= 2) {
      const { text, whole } = tail(length);
      const found = text.replace(/\n$/, "").split("\n");
      if (whole || found.length > count) return text === "" ? [] : found.slice(-count);
    }
  };
  const follow = async (take: (text: string) => void, signal: AbortSignal): Promise<void> => {
    const decoder = new TextDecoder();
    for (let from = size(); ;) {
      const more = bytes(from, size());
      from += more.length;
      if (more.length > 0) take(decoder.decode(more, { stream: true }));
      if (signal.aborted) return;
      await sleep(followMs, undefined, { signal }).catch(() => {});
    }
  };
  return { path, fd, read: () => tail(tailBytes).text, lines, follow };
}

function openForAppending(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, "a+");
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError(`cannot write the server's log ${path}: ${why}`, { cause: error });
  }
}
