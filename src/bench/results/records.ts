/** Reads records of requests back, run by run, and finds the result line that each run belongs to. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UserError } from "../../user-error.ts";
import { mean } from "../statistics.ts";
import { type Fields, numberOf, parseFields, type SavedRun, textOf } from "./lines.ts";

/** Of millions of gaps, seven digits do. */
type Gaps = Float32Array | readonly number[];

/** What of a request's record is computed with. Seconds; NaN where the record does not say. */
export interface SavedRecord {
  readonly index: number;
  readonly promptLen: number;
  readonly outputLen: number;
  readonly scheduledS: number;
  readonly sentS: number;
  readonly ttftS: number;
  readonly latencyS: number;
  readonly itlsS: Gaps;
  /** The failure's class; null: success. */
  readonly failure: string | null;
}

/** The records of one run, in order of sending. */
export type RecordedRun = readonly SavedRecord[];

/** A run of a file of records, and when it began where that is said: as in its result line. */
export interface RecordedFileRun {
  readonly startedAt: string | null;
  readonly records: RecordedRun;
}

/**
 * The runs of a file of records, in their order; a run begins with another start, or where an index comes again.
 * @throws UserError when the file cannot be read or holds no record.
 */
export async function readRecordFile(file: string): Promise<RecordedFileRun[]> {
  const runs: { startedAt: string | null; records: SavedRecord[] }[] = [];
  let seen = new Set<number>();
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const fields = parseFields(line);
      const record = toRecord(fields);
      if (!fields || !record) continue;
      const startedAt = textOf(fields, "startedAt");
      if (startedAt !== runs.at(-1)?.startedAt || seen.has(record.index)) {
        runs.push({ startedAt, records: [] });
        seen = new Set();
      }
      seen.add(record.index);
      runs.at(-1)!.records.push(record);
    }
  } catch (error) {
    throw new UserError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
  if (runs.length === 0) {
    throw new UserError(
      `${file} holds no record of a request; expected the file that servebench bench --records writes.`,
    );
  }
  return runs.map(({ startedAt, records }) => ({ startedAt, records: inOrder(records) }));
}

/** A killed run leaves records in the order in which requests ended. */
export const inOrder = (records: readonly SavedRecord[]): RecordedRun =>
  records.toSorted((a, b) => a.sentS - b.sentS || a.index - b.index);

export function toRecord(fields: Fields | null): SavedRecord | null {
  if (!fields) return null;
  const number = (name: string): number => numberOf(fields, name) ?? NaN;
  const index = number("index");
  const sentS = number("sentS");
  if (Number.isNaN(index) || Number.isNaN(sentS)) return null;
  const { failure } = fields;
  const itlsS = fields["itlsS"];
  return {
    index,
    promptLen: number("promptLen"),
    outputLen: number("outputLen"),
    scheduledS: numberOf(fields, "scheduledS") ?? sentS,
    sentS,
    ttftS: number("ttftS"),
    latencyS: number("latencyS"),
    itlsS: Array.isArray(itlsS) ? Float32Array.from(itlsS as number[]) : new Float32Array(),
    failure: failure == null ? null : failureClass(failure),
  };
}

function failureClass(failure: unknown): string {
  const name = typeof failure === "object" ? (failure as Fields)["class"] : failure;
  return typeof name === "string" ? name : "failed";
}

export const succeeded = (run: RecordedRun): RecordedRun =>
  run.filter((record) => record.failure === null);

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

const numberOrNaN = (value: unknown): number => (typeof value === "number" ? value : NaN);

/** What the lists of --output-details say, without times of sending; null where the line has none. */
function detailsOf(fields: Fields): RecordedRun | null {
  const list = (name: string): unknown[] => {
    const value = fields[name];
    return Array.isArray(value) ? (value as unknown[]) : [];
  };
  const [ttfts, itls, errors] = [list("ttfts"), list("itls"), list("errors")];
  if (ttfts.length === 0 || itls.length !== ttfts.length) return null;
  return ttfts.map((ttft, index): SavedRecord => {
    const itlsS = Float32Array.from(Array.isArray(itls[index]) ? (itls[index] as number[]) : []);
    const ttftS = numberOrNaN(ttft);
    const error = errors[index];
    const outputLen = numberOrNaN(list("output_lens")[index]);
    return {
      index,
      promptLen: numberOrNaN(list("input_lens")[index]),
      outputLen,
      scheduledS: NaN,
      sentS: NaN,
      ttftS,
      latencyS: ttftS + sumOf(gapsAfterFirst({ itlsS, ttftS })),
      itlsS,
      failure:
        typeof error === "string" && error !== "" ? "failed" : outputLen === 0 ? "failed" : null,
    };
  });
}

/** Without the time to first token, which bench_serving 0.2.7 puts before the gaps. */
export function gapsAfterFirst({ itlsS, ttftS }: Pick<SavedRecord, "itlsS" | "ttftS">): Gaps {
  const first = itlsS[0];
  return first === ttftS || first === Math.fround(ttftS) ? itlsS.slice(1) : itlsS;
}

/** Whether it is known when the requests were sent. */
export const hasTimes = (run: RecordedRun): boolean =>
  run.length > 0 && !Number.isNaN(run[0]!.sentS);

/**
 * The records of each result line that has any, its own lists of --output-details if there are no others. A line and
 * its records say the same start; where records do not, they give the same mean latency of as many requests. So files
 * with interrupted or foreign runs among them do no harm.
 * @returns How many recorded runs fit no line, beside the map.
 */
export function matchRecords(
  runs: readonly SavedRun[],
  recorded: readonly RecordedFileRun[],
): { readonly records: ReadonlyMap<SavedRun, RecordedRun>; readonly left: number } {
  const left = new Set(recorded);
  const records = new Map<SavedRun, RecordedRun>();
  for (const run of runs) {
    const own = left.values().find((candidate) => belongs(run.fields, candidate));
    if (own) left.delete(own);
    const found = own?.records ?? detailsOf(run.fields);
    if (found) records.set(run, found);
  }
  return { records, left: left.size };
}

function belongs(fields: Fields, { startedAt, records }: RecordedFileRun): boolean {
  const lineStart = textOf(fields, "started_at");
  const completed = numberOf(fields, "completed");
  if (startedAt !== null && lineStart !== null) {
    return startedAt === lineStart && records.length >= (completed ?? 0);
  }
  const done = succeeded(records);
  if (completed !== null && completed !== done.length) return false;
  const lineMs = numberOf(fields, "mean_e2e_latency_ms", "mean_e2e_latency");
  if (done.length === 0 || lineMs === null) return false;
  const ownMs = mean(done.map((record) => record.latencyS)) * 1000;
  return Math.abs(ownMs - lineMs) <= 1e-6 * lineMs;
}
