/** Reads records of requests back, run by run, and finds the result line that each run belongs to. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UserError } from "../../user-error.ts";
import { mean } from "../statistics.ts";
import { type Fields, numberOf, parseFields, type SavedRun } from "./lines.ts";

/** What of a request's record is computed with. Seconds; NaN where the record does not say. */
export interface SavedRecord {
  readonly index: number;
  readonly promptLen: number;
  readonly outputLen: number;
  readonly scheduledS: number;
  readonly sentS: number;
  readonly ttftS: number;
  readonly latencyS: number;
  readonly itlsS: Float32Array;
  /** The failure's class; null: success. */
  readonly failure: string | null;
}

/** The records of one run, in order of sending. */
export type RecordedRun = readonly SavedRecord[];

/**
 * The runs of a file of records, in their order; a run begins where an index comes a second time.
 * @throws UserError when the file cannot be read or holds no record.
 */
export async function readRecordFile(file: string): Promise<RecordedRun[]> {
  const runs: SavedRecord[][] = [];
  let seen = new Set<number>();
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const record = toRecord(parseFields(line));
      if (!record) continue;
      if (runs.length === 0 || seen.has(record.index)) {
        runs.push([]);
        seen = new Set();
      }
      seen.add(record.index);
      runs.at(-1)!.push(record);
    }
  } catch (error) {
    throw new UserError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
  if (runs.length === 0) {
    throw new UserError(
      `${file} holds no record of a request; expected the file that servebench bench --records writes.`,
    );
  }
  return runs.map(inOrder);
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
      latencyS: gapsAfterFirst({ itlsS, ttftS }).reduce((sum, gapS) => sum + gapS, ttftS),
      itlsS,
      failure:
        typeof error === "string" && error !== "" ? "failed" : outputLen === 0 ? "failed" : null,
    };
  });
}

/** Without the time to first token, which bench_serving 0.2.7 puts before the gaps. */
export function gapsAfterFirst({ itlsS, ttftS }: Pick<SavedRecord, "itlsS" | "ttftS">) {
  return itlsS.length > 0 && itlsS[0] === Math.fround(ttftS) ? itlsS.subarray(1) : itlsS;
}

/** Whether it is known when the requests were sent. */
export const hasTimes = (run: RecordedRun): boolean =>
  run.length > 0 && !Number.isNaN(run[0]!.sentS);

/**
 * The records of each result line that has any, its own lists of --output-details if there are no others: a line and its records give the same mean latency of as many requests,
 * so files with interrupted or foreign runs among them do no harm.
 * @returns How many recorded runs fit no line, beside the map.
 */
export function matchRecords(
  runs: readonly SavedRun[],
  recorded: readonly RecordedRun[],
): { readonly records: ReadonlyMap<SavedRun, RecordedRun>; readonly left: number } {
  const left = new Set(recorded);
  const records = new Map<SavedRun, RecordedRun>();
  for (const run of runs) {
    const own = left.values().find((candidate) => belongs(run.fields, candidate));
    if (own) left.delete(own);
    const found = own ?? detailsOf(run.fields);
    if (found) records.set(run, found);
  }
  return { records, left: left.size };
}

function belongs(fields: Fields, run: RecordedRun): boolean {
  const done = succeeded(run);
  const completed = numberOf(fields, "completed");
  if (completed !== null && completed !== done.length) return false;
  const lineMs = numberOf(fields, "mean_e2e_latency_ms", "mean_e2e_latency");
  if (done.length === 0) return lineMs === null || lineMs === 0;
  if (lineMs === null) return false;
  const ownMs = mean(done.map((record) => record.latencyS)) * 1000;
  return Math.abs(ownMs - lineMs) <= 1e-6 * lineMs;
}
