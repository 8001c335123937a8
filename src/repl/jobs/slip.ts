/**
 * Each job that measures has a slip of paper in the session's folder that says where its results will be. It is thrown
 * away once they are in the store, so that one which lies there at the next start tells of a job that a killed session
 * left behind.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { parseFields, textOf, type Fields } from "../../bench/results/lines.ts";
import type { NewRun } from "../../store/index.ts";

export interface Slip {
  readonly command: string;
  readonly startedAt: string;
  /** The session's process, and the job's supervisor. */
  readonly sessionPid: number;
  readonly jobPid: number | null;
  readonly outputFile: string;
  /** Bytes that were there before. */
  readonly outputFrom: number;
  readonly recordsFile: string | null;
  readonly recordsFrom: number;
  /** Made for the job, and of no use once the store has what it holds. */
  readonly recordsAreOurs: boolean;
  /** The server in use, by its name. */
  readonly system: string | null;
  readonly environment: Fields;
  readonly server: Fields | null;
}

export const isSlip = (name: string): boolean => /^job-\d+\.json$/.test(name);

/** null for a file that a full disk has cut off. */
export function readSlip(path: string): Slip | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Slip;
  } catch {
    return null;
  }
}

export const sizeOf = (file: string): number =>
  statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** Reads the result lines of a file as they come. */
export class ResultLines {
  readonly #file: string;
  /** Where the first line begins that was not taken yet. */
  #from: number;

  constructor(file: string, from: number) {
    this.#file = file;
    this.#from = from;
  }

  /** Those that were not taken before. What stands behind the last line feed is at most half a line. */
  take(): Fields[] {
    const bytes = readFrom(this.#file, this.#from);
    const whole = bytes.subarray(0, bytes.lastIndexOf("\n") + 1);
    this.#from += whole.length;
    return whole
      .toString("utf8")
      .split("\n")
      .flatMap((text) => {
        const fields = parseFields(text);
        return fields && "backend" in fields ? [fields] : [];
      });
  }
}

function readFrom(file: string, from: number): Buffer {
  const size = sizeOf(file) - from;
  if (size <= 0) return Buffer.alloc(0);
  const bytes = Buffer.alloc(size);
  const opened = openSync(file, "r");
  try {
    return bytes.subarray(0, readSync(opened, bytes, 0, size, from));
  } finally {
    closeSync(opened);
  }
}

/** A run as the store takes it. */
export function runOf(
  session: string,
  { command, startedAt, system, environment, server }: Slip,
  fields: Fields,
): NewRun {
  return {
    session,
    at: textOf(fields, "started_at") ?? startedAt,
    command: textOf(fields, "command") ?? command,
    system: system ?? textOf(fields, "server") ?? textOf(fields, "backend")!,
    fields,
    environment,
    server,
  };
}
