/** Latencies of the replies that were what was asked for, from the send and from when the send was due. */
import type { Measurements } from "../measurements.ts";
import { timePerOutputToken } from "../metrics.ts";
import { confidence, type Confidence, oneEach, type Sample } from "../statistics/bootstrap.ts";
import {
  distribution,
  histogramDistribution,
  type Distribution,
} from "../statistics/percentiles.ts";
import { randomFor } from "./random.ts";
import { valuesOf } from "../statistics/values.ts";

export const latencyNames = [
  "ttft",
  "ttftFromSchedule",
  "tpot",
  "itl",
  "itlPerToken",
  "e2e",
  "e2eFromSchedule",
] as const;
export type LatencyName = (typeof latencyNames)[number];

/** Headline figures: those with a confidence interval. */
const headline: readonly LatencyName[] = ["ttft", "tpot", "itl", "e2e"];

/** In seconds. */
export interface Latency {
  readonly distribution: Distribution;
  /** null: not a headline figure, too few requests, or gaps in a histogram. */
  readonly confidence: Confidence | null;
  /** Known relative error of the percentiles: 0 but for gaps in a histogram. */
  readonly error: number;
}

export type Latencies = Partial<Readonly<Record<LatencyName, Latency>>>;

/**
 * Those of the requests `chosen`, which are all successes. A latency of which there is no value is left out.
 * @param seed of the intervals, which take a while; null: without them.
 */
export function latencies(m: Measurements, chosen: Int32Array, seed: number | null): Latencies {
  const found: Partial<Record<LatencyName, Latency>> = {};
  for (const name of latencyNames) {
    const sample = latencySamples[name](m, chosen);
    if (sample.values.length > 0) {
      const asked = seed !== null && headline.includes(name);
      const interval = asked ? confidence(sample, randomFor(seed, name)) : null;
      found[name] = { confidence: interval, distribution: distribution(sample.values), error: 0 };
    } else if (name === "itl" && m.histogram && m.histogram.count > 0) {
      const counted = histogramDistribution(m.histogram);
      found[name] = { confidence: null, distribution: counted, error: m.gapError };
    }
  }
  return found;
}

type SampleOf = (m: Measurements, chosen: Int32Array) => Sample;

/** The values of each latency, in seconds; no gaps where they went to a histogram. */
export const latencySamples: Readonly<Record<LatencyName, SampleOf>> = {
  ttft: (m, chosen) => valueEach(withToken(m, chosen), (i) => m.columns.ttftS[i]!),
  ttftFromSchedule: (m, chosen) =>
    valueEach(withToken(m, chosen), (i) => m.columns.ttftS[i]! + lagS(m, i)),
  tpot: (m, chosen) => {
    const several = withToken(m, chosen).filter((i) => m.tokens(i) > 1);
    return valueEach(several, (i) => timePerOutputToken(m, i, m.tokens(i)));
  },
  itl: (m, chosen) => gaps(m, chosen, () => 1),
  itlPerToken: (m, chosen) => {
    if (m.histogram || tokensPerEvent(m, chosen) < severalTokens) return gaps(m, none, () => 1);
    return gaps(m, chosen, (i) => Math.max(1, m.tokens(i) / m.columns.events[i]!));
  },
  e2e: (m, chosen) => valueEach(chosen, (i) => m.columns.latencyS[i]!),
  e2eFromSchedule: (m, chosen) => valueEach(chosen, (i) => m.columns.latencyS[i]! + lagS(m, i)),
};

const valueEach = (chosen: Int32Array, valueOf: (index: number) => number): Sample =>
  oneEach(valuesOf(chosen, valueOf));

const none = new Int32Array();

/** From so many tokens an event on, the gap between events is not the time of a token. */
const severalTokens = 1.02;

/** NaN without events. */
export function tokensPerEvent(m: Measurements, chosen: Int32Array): number {
  const sum = (of: (i: number) => number): number => chosen.reduce((all, i) => all + of(i), 0);
  return sum((i) => m.tokens(i)) / sum((i) => m.columns.events[i]!);
}

const lagS = (m: Measurements, i: number): number =>
  Math.max(0, m.columns.sentS[i]! - m.columns.scheduledS[i]!);

const withToken = (m: Measurements, chosen: Int32Array): Int32Array =>
  chosen.filter((i) => m.columns.ttftS[i]! > 0);

/** Gaps between events after the first, each divided by the tokens that an event of its request carries. */
function gaps(m: Measurements, chosen: Int32Array, tokensOf: (index: number) => number): Sample {
  if (m.histogram) return { values: new Float64Array(), owner: none };
  const count = chosen.reduce((sum, i) => sum + Math.max(0, m.columns.events[i]! - 1), 0);
  const values = new Float64Array(count);
  const owner = new Int32Array(count);
  let at = 0;
  chosen.forEach((i, k) => {
    const tokens = tokensOf(i);
    const own = m.ownGapsOf(i);
    for (let j = 0; j < own.length; j++) {
      values[at] = own[j]! / tokens;
      owner[at++] = k;
    }
  });
  return { values, owner };
}
