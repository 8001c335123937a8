/** The figures of a run, computed as bench_serving computes them, and those that it leaves out. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { RequestRecord } from "./request.ts";
import { mean, median, percentile, standardDeviation } from "./statistics.ts";

/** Milliseconds. */
export interface LatencyFigures {
  readonly meanMs: number;
  readonly medianMs: number;
  readonly stdMs: number;
  readonly p99Ms: number;
}

/** bench_serving's figures. Only successes enter; output tokens are those asked for. */
export interface Metrics {
  readonly durationS: number;
  readonly completed: number;
  readonly totalInput: number;
  readonly totalOutput: number;
  readonly totalOutputRetokenized: number;
  readonly requestThroughput: number;
  readonly inputThroughput: number;
  readonly outputThroughput: number;
  readonly outputThroughputRetokenized: number;
  readonly ttft: LatencyFigures;
  readonly tpot: LatencyFigures;
  readonly itl: LatencyFigures;
  /** NaN when no request succeeded; the other latencies are 0 without values, as in bench_serving. */
  readonly meanE2eLatencyMs: number;
  readonly medianE2eLatencyMs: number;
}

export function computeMetrics(
  records: readonly RequestRecord[],
  durationS: number,
  tokenizer: Pick<Tokenizer, "encode">,
): Metrics {
  const done = records.filter((record) => record.failure === null);
  const sum = (count: (record: RequestRecord) => number): number =>
    done.reduce((total, record) => total + count(record), 0);
  const totalInput = sum((record) => record.promptLen);
  const totalOutput = sum((record) => record.outputLen);
  const totalOutputRetokenized = sum(
    ({ text }) => tokenizer.encode(text, { addSpecialTokens: false }).length,
  );
  const latenciesS = done.map((record) => record.latencyS);
  return {
    durationS,
    completed: done.length,
    totalInput,
    totalOutput,
    totalOutputRetokenized,
    requestThroughput: done.length / durationS,
    inputThroughput: totalInput / durationS,
    outputThroughput: totalOutput / durationS,
    outputThroughputRetokenized: totalOutputRetokenized / durationS,
    ttft: latencyFigures(done.map((record) => record.ttftS)),
    tpot: latencyFigures(done.filter((record) => record.outputLen > 1).map(timePerOutputToken)),
    itl: latencyFigures(done.flatMap((record) => record.itlsS)),
    meanE2eLatencyMs: mean(latenciesS) * 1000,
    medianE2eLatencyMs: median(latenciesS) * 1000,
  };
}

/** Seconds a token after the first. */
function timePerOutputToken({ latencyS, ttftS, outputLen }: RequestRecord): number {
  return (latencyS - ttftS) / (outputLen - 1);
}

function latencyFigures(measuredS: readonly number[]): LatencyFigures {
  const valuesS = measuredS.length > 0 ? measuredS : [0];
  return {
    meanMs: mean(valuesS) * 1000,
    medianMs: median(valuesS) * 1000,
    stdMs: standardDeviation(valuesS) * 1000,
    p99Ms: percentile(valuesS, 99) * 1000,
  };
}

/** What bench_serving does not say. */
export interface LoadFigures {
  readonly sent: number;
  /** Failed requests by class, interrupted ones included. */
  readonly failures: Readonly<Record<string, number>>;
  /** A message of each class. */
  readonly failureExamples: Readonly<Record<string, string>>;
  /** Requests that were sent, per second between the first and the last send; NaN below two. */
  readonly sendRate: number;
  /** Send after due time. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
  /** Successes without a single token event. */
  readonly withoutTokens: number;
  /** Sum of what the server reported as completion tokens; null when it did not for every success. */
  readonly serverOutputTokens: number | null;
}

export function computeLoadFigures(records: readonly RequestRecord[]): LoadFigures {
  const failures: Record<string, number> = {};
  const failureExamples: Record<string, string> = {};
  for (const { failure } of records) {
    if (!failure) continue;
    failures[failure.class] = (failures[failure.class] ?? 0) + 1;
    failureExamples[failure.class] ??= failure.message;
  }
  const done = records.filter((record) => record.failure === null);
  const lagsMs = records.map(lagMs);
  const first = records[0]?.sentS ?? NaN;
  const last = records.at(-1)?.sentS ?? NaN;
  return {
    sent: records.length,
    failures,
    failureExamples,
    sendRate: records.length > 1 ? (records.length - 1) / (last - first) : NaN,
    lagP50Ms: median(lagsMs),
    lagP99Ms: percentile(lagsMs, 99),
    lagMaxMs: lagsMs.reduce((a, b) => Math.max(a, b), -Infinity),
    withoutTokens: done.filter((record) => record.ttftS === 0).length,
    serverOutputTokens: serverTokens(done),
  };
}

/** A send is never early; rounding may say so. */
const lagMs = ({ sentS, scheduledS }: RequestRecord): number =>
  Math.max(0, sentS - scheduledS) * 1000;

function serverTokens(done: readonly RequestRecord[]): number | null {
  let total = 0;
  for (const { usage } of done) {
    if (usage?.completionTokens == null) return null;
    total += usage.completionTokens;
  }
  return done.length > 0 ? total : null;
}
