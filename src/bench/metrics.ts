/** The figures of a run, computed as bench_serving computes them, and those that it leaves out. */
import type { Measurements } from "./measurements.ts";
import type { Histogram } from "./statistics/histogram.ts";
import { Samples } from "./statistics/samples.ts";
import {
  mean,
  median,
  medianOfSorted,
  percentile,
  percentileOfSorted,
  standardDeviation,
} from "./statistics.ts";
import { valuesOf } from "./statistics/values.ts";

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

export function computeMetrics(m: Measurements, durationS: number): Metrics {
  const done = m.indices("ok", "short output");
  const sum = (column: Int32Array): number => done.reduce((total, i) => total + column[i]!, 0);
  const totalInput = sum(m.columns.promptLen);
  const totalOutput = sum(m.columns.outputLen);
  const totalOutputRetokenized = sum(m.columns.retokenized);
  const latenciesS = pick(m.columns.latencyS, done);
  const many = done.filter((i) => m.columns.outputLen[i]! > 1);
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
    ttft: latencyFigures(pick(m.columns.ttftS, done)),
    tpot: latencyFigures(valuesOf(many, (i) => timePerOutputToken(m, i, m.columns.outputLen[i]!))),
    itl: m.histogram ? histogramFigures(m.histogram) : latencyFigures(allGaps(m, done)),
    meanE2eLatencyMs: mean(latenciesS) * 1000,
    medianE2eLatencyMs: median(latenciesS) * 1000,
  };
}

const pick = (column: Float64Array, indices: Int32Array): Float64Array =>
  valuesOf(indices, (i) => column[i]!);

/** Seconds a token after the first, of a reply of `tokens`. */
export function timePerOutputToken(m: Measurements, index: number, tokens: number): number {
  return (m.columns.latencyS[index]! - m.columns.ttftS[index]!) / (tokens - 1);
}

function allGaps(m: Measurements, indices: Int32Array): Float64Array {
  const all = new Samples(indices.reduce((sum, i) => sum + m.gapCount(i), 0));
  for (const i of indices) all.append(m.gapsOf(i));
  return all.values();
}

function histogramFigures(gaps: Histogram): LatencyFigures {
  return {
    meanMs: gaps.mean * 1000,
    medianMs: gaps.percentile(50) * 1000,
    stdMs: gaps.standardDeviation * 1000,
    p99Ms: gaps.percentile(99) * 1000,
  };
}

function latencyFigures(measuredS: Float64Array): LatencyFigures {
  const valuesS = measuredS.length > 0 ? measuredS : new Float64Array(1);
  const sorted = valuesS.toSorted();
  return {
    meanMs: mean(valuesS) * 1000,
    medianMs: medianOfSorted(sorted) * 1000,
    stdMs: standardDeviation(valuesS) * 1000,
    p99Ms: percentileOfSorted(sorted, 99) * 1000,
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
  /** Send after the time at which it could be sent: without the wait for a place. */
  readonly lateP99Ms: number;
  /** Successes without a single token event. */
  readonly withoutTokens: number;
  /** Sum of what the server reported as completion tokens; null when it did not for every success. */
  readonly serverOutputTokens: number | null;
}

export function computeLoadFigures(m: Measurements): LoadFigures {
  const ended = m.indices();
  const done = m.indices("ok", "short output");
  const lagsMs = sendLagsMs(m, ended);
  const first = ended.length > 0 ? m.columns.sentS[ended[0]!]! : NaN;
  const last = ended.length > 0 ? m.columns.sentS[ended.at(-1)!]! : NaN;
  return {
    sent: ended.length,
    failures: m.failures,
    failureExamples: m.failureExamples,
    sendRate: ended.length > 1 ? (ended.length - 1) / (last - first) : NaN,
    lagP50Ms: median(lagsMs),
    lagP99Ms: percentile(lagsMs, 99),
    lagMaxMs: lagsMs.reduce((a, b) => Math.max(a, b), -Infinity),
    lateP99Ms: percentile(pick(m.columns.lateS, ended), 99) * 1000,
    withoutTokens: done.filter((i) => m.columns.ttftS[i] === 0).length,
    serverOutputTokens: serverTokens(m, done),
  };
}

/** A send is never early; rounding may say so. */
function sendLagsMs(m: Measurements, indices: Int32Array): Float64Array {
  return valuesOf(
    indices,
    (i) => Math.max(0, m.columns.sentS[i]! - m.columns.scheduledS[i]!) * 1000,
  );
}

function serverTokens(m: Measurements, done: Int32Array): number | null {
  const unknown = done.some((i) => m.columns.reported[i]! < 0);
  if (unknown || done.length === 0) return null;
  return done.reduce((total, i) => total + m.columns.reported[i]!, 0);
}
