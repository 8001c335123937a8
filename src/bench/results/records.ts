/** Reads records of requests back into measurements, run by run, and finds the result line that each run belongs to. */
import { runtime } from "../../runtime/index.ts";
import { UserError } from "../../user-error.ts";
import { Measurements, outcomes, type MeasuredRequest, type Outcome } from "../measurements.ts";
import { mean } from "../statistics.ts";
import { type Fields, linesOf, numberOf, parseFields, type SavedRun, textOf } from "./lines.ts";
import { valuesOf } from "../statistics/values.ts";

/** Gaps of a run that are kept: 34 MB. Beyond that they are counted in a histogram. */
const gapsKept = 1 << 22;
/** Characters of lines, of which several times as much is left behind, before that is collected. */
const collectAfter = 1 << 26;
/** A greater number of a request is none of ours, and not worth the memory. */
const indexMax = 1e8;
/** No time of a run: 30 years. */
const secondsMax = 1e9;

/** One run of a file of records. */
export interface RecordedRun {
  /** When it began, as in its result line; null where that is not said. */
  readonly startedAt: string | null;
  readonly measurements: Measurements;
}

/** How requests were judged is in the records, and gaps come without the time to the first token. */
export const emptyMeasurements = (): Measurements =>
  new Measurements(Infinity, { gapBeforeFirst: false, exactOutput: false, gapsKept });

/**
 * The runs of a file of records, in the order of their beginnings; a run is what has the same start, and another one
 * where an index comes again.
 * @throws UserError when the file cannot be read or holds no record.
 */
export function readRecordFile(file: string): RecordedRun[] {
  const runs: RecordedRun[] = [];
  const open = new Map<string | null, Measurements>();
  let left = 0;
  for (const line of linesOf(file)) {
    left += line.length;
    if (left > collectAfter) {
      left = 0;
      runtime.collectGarbage();
    }
    const fields = parseFields(line);
    const record = fields && savedRecord(fields);
    if (!record) continue;
    const startedAt = textOf(fields, "startedAt");
    let measurements = open.get(startedAt);
    if (measurements?.outcome(record.index) !== "not ended") {
      measurements = emptyMeasurements();
      open.set(startedAt, measurements);
      runs.push({ startedAt, measurements });
    }
    addSaved(measurements, record);
  }
  runtime.collectGarbage();
  if (runs.length > 0) return runs;
  throw new UserError(
    `${file} holds no record of a request; expected the file that servebench bench --records writes.`,
  );
}

/** A request as its record tells it. */
export interface SavedRecord extends MeasuredRequest {
  readonly retokenized: number;
  readonly outcome: Outcome;
}

export const addSaved = (m: Measurements, record: SavedRecord): void =>
  m.add(record, record.retokenized, record.outcome);

/** null for what is no record: torn, foreign, or with a number that none of a run can be. */
export function savedRecord(fields: Fields): SavedRecord | null {
  const number = (name: string): number => numberOf(fields, name) ?? NaN;
  const [index, sentS, ttftS, latencyS] = ["index", "sentS", "ttftS", "latencyS"].map(number) as [
    number,
    number,
    number,
    number,
  ];
  if (!Number.isInteger(index) || index < 0 || index > indexMax) return null;
  if (![sentS, ttftS, latencyS].every((seconds) => seconds >= 0 && seconds < secondsMax))
    return null;
  const scheduledS = numberOf(fields, "scheduledS") ?? sentS;
  const outputLen = numberOf(fields, "outputLen") ?? 0;
  const reported = numberOf(fields, "reportedTokens");
  return {
    index,
    promptLen: numberOf(fields, "promptLen") ?? 0,
    outputLen,
    scheduledS,
    readyS: numberOf(fields, "readyS") ?? scheduledS,
    sentS,
    ttftS,
    latencyS,
    endedS: numberOf(fields, "endedS") ?? latencyS,
    itlsS: gapsAfterFirst(listOf(fields, "itlsS"), ttftS),
    usage: reported === null ? null : { promptTokens: null, completionTokens: reported },
    failure: null,
    retokenized: numberOf(fields, "retokenizedTokens") ?? outputLen,
    outcome: outcomeOf(fields),
  };
}

function outcomeOf({ status, failure }: Fields): Outcome {
  const judged = outcomes.find((outcome) => outcome === status);
  return judged ?? (failure == null ? "ok" : "failed");
}

function listOf(fields: Fields, name: string): unknown[] {
  const value = fields[name];
  return Array.isArray(value) ? (value as unknown[]) : [];
}

const isTime = (value: unknown): value is number =>
  typeof value === "number" && value >= 0 && value < secondsMax;

/** Without the time to first token, which bench_serving 0.2.7 puts before the gaps. */
function gapsAfterFirst(listed: readonly unknown[], ttftS: number): number[] {
  const gapsS = listed.filter(isTime);
  return gapsS[0] === ttftS ? gapsS.slice(1) : gapsS;
}

const lengthOr0 = (value: unknown): number => (typeof value === "number" ? value : 0);

/** What the lists of --output-details say, without times of sending; null where the line has none. */
function detailsOf(fields: Fields): Measurements | null {
  const [ttfts, itls, errors] = [
    listOf(fields, "ttfts"),
    listOf(fields, "itls"),
    listOf(fields, "errors"),
  ];
  if (ttfts.length === 0 || itls.length !== ttfts.length) return null;
  const [inputLens, outputLens] = [listOf(fields, "input_lens"), listOf(fields, "output_lens")];
  const m = emptyMeasurements();
  ttfts.forEach((ttftS, index) => {
    if (!isTime(ttftS)) return;
    const gaps = itls[index];
    const itlsS = gapsAfterFirst(Array.isArray(gaps) ? gaps : [], ttftS);
    const latencyS = itlsS.reduce((sum, gapS) => sum + gapS, ttftS);
    const outputLen = lengthOr0(outputLens[index]);
    const failed = outputLen === 0 || Boolean(errors[index]);
    addSaved(m, {
      index,
      promptLen: lengthOr0(inputLens[index]),
      outputLen,
      scheduledS: NaN,
      readyS: NaN,
      sentS: NaN,
      ttftS,
      latencyS,
      endedS: latencyS,
      itlsS,
      usage: null,
      failure: null,
      retokenized: outputLen,
      outcome: failed ? "failed" : "ok",
    });
  });
  return m;
}

/**
 * The records of each result line that has any, its own lists of --output-details if there are no others. A line and
 * its records say the same start; where records do not, they give the same mean latency of as many requests. So files
 * with interrupted or foreign runs among them do no harm.
 * @returns How many recorded runs fit no line, beside the map.
 */
export function matchRecords(
  runs: readonly SavedRun[],
  recorded: readonly RecordedRun[],
): { readonly records: ReadonlyMap<SavedRun, Measurements>; readonly left: number } {
  const left = new Set(recorded);
  const records = new Map<SavedRun, Measurements>();
  for (const run of runs) {
    const own = left.values().find((candidate) => belongs(run.fields, candidate));
    if (own) left.delete(own);
    const found = own?.measurements ?? detailsOf(run.fields);
    if (found) records.set(run, found);
  }
  return { records, left: left.size };
}

function belongs(fields: Fields, { startedAt, measurements: m }: RecordedRun): boolean {
  const lineStart = textOf(fields, "started_at");
  const completed = numberOf(fields, "completed");
  if (startedAt !== null && lineStart !== null) {
    return startedAt === lineStart && m.ended >= (completed ?? 0);
  }
  // bench_serving's figures are of short replies, too.
  const done = m.indices("ok", "short output");
  if (completed !== null && completed !== done.length) return false;
  const lineMs = numberOf(fields, "mean_e2e_latency_ms", "mean_e2e_latency");
  if (done.length === 0 || lineMs === null) return false;
  const ownMs = mean(valuesOf(done, (i) => m.columns.latencyS[i]!)) * 1000;
  return Math.abs(ownMs - lineMs) <= 1e-6 * lineMs;
}
