/**
 * The file of --records: one JSON line a request, written while the run goes on, so that a run that is killed loses
 * at most its last second. A disk that is full is said once, and the run goes on without the file.
 */
import type { Outcome } from "../measurements.ts";
import type { RequestRecord } from "../request.ts";
import { LineFile } from "./line-file.ts";

/** Lines are written when they are this many characters or this old. */
const batchChars = 1_000_000;
const batchMs = 1000;

/** Which run a line is of: `--multi` and `--num-runs` write several into one file, and later runs append. */
export interface RunLabel {
  /** From 1. */
  readonly run: number;
  /** As in the result line. */
  readonly startedAt: string;
}

/**
 * Times in seconds: those of the schedule and the send from the start of the run, the others from the send. What
 * reads it back takes `status` as it was judged here.
 */
export function recordLine(
  record: RequestRecord,
  retokenized: number,
  status: Outcome,
  label: RunLabel,
): string {
  const { index, promptLen, outputLen, scheduledS, sentS, usage, failure } = record;
  return JSON.stringify({
    ...label,
    index,
    status,
    httpStatus: record.httpStatus,
    failure,
    promptLen,
    outputLen,
    reportedPromptTokens: usage?.promptTokens ?? null,
    reportedTokens: usage?.completionTokens ?? null,
    retokenizedTokens: retokenized,
    scheduledS,
    readyS: record.readyS,
    sentS,
    connectedS: record.connectedS,
    firstByteS: record.firstByteS,
    ttftS: record.ttftS,
    latencyS: record.latencyS,
    endedS: record.endedS,
    latencyFromScheduledS: record.latencyS + Math.max(0, sentS - scheduledS),
    itlsS: record.itlsS,
    text: record.text,
  });
}

export class RecordsFile {
  /** Lines that could not be written. */
  lost = 0;
  readonly #path: string;
  readonly #note: (line: string) => void;
  #file: LineFile | null;
  #lines: string[] = [];
  #chars = 0;
  #writtenMs = performance.now();

  /** @param note is told, once, when nothing more can be written. */
  constructor(path: string, note: (line: string) => void) {
    this.#path = path;
    this.#note = note;
    this.#file = this.#try(() => new LineFile(path)) ?? null;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#chars += line.length;
    if (this.#chars >= batchChars) this.flush();
  }

  /** Writes what has waited for long enough. */
  flushDue(): void {
    if (performance.now() - this.#writtenMs >= batchMs) this.flush();
  }

  flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    this.#chars = 0;
    this.#writtenMs = performance.now();
    if (lines.length === 0) return;
    const file = this.#file;
    if (!file || this.#try(() => (file.append(lines), true)) === null) this.lost += lines.length;
  }

  close(): void {
    this.flush();
    this.#file?.close();
  }

  /** null when it failed: then the file is given up. */
  #try<T>(act: () => T): T | null {
    try {
      return act();
    } catch (error) {
      this.#note(
        `--records: cannot write '${this.#path}': ${(error as Error).message}. ` +
          "The run goes on; no more records are written.",
      );
      this.#file?.close();
      this.#file = null;
      return null;
    }
  }
}
