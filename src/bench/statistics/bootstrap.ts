/**
 * Confidence intervals by the circular block bootstrap (D. N. Politis, J. P. Romano, 1992): whole stretches of
 * neighbouring requests are drawn again, so that what they share is drawn with them. Intervals are percentile
 * intervals of 95 %.
 */
import { percentile } from "../statistics.ts";
import { dependence } from "./dependence.ts";
import { carries } from "./percentiles.ts";

export type Interval = readonly [low: number, high: number];

/** Uniform in [0, 1). */
export type Random = () => number;

/** Values of requests in order of sending: one each, or several (gaps). */
export interface Sample {
  readonly values: Float64Array;
  /** Which request a value is of: ascending, from 0. */
  readonly owner: Int32Array;
}

export interface Confidence {
  readonly mean: Interval;
  /** null: the sample cannot carry it. */
  readonly p50: Interval | null;
  readonly p99: Interval | null;
  /** Requests a block. */
  readonly blockLength: number;
  /** Independent requests that would fix the mean as well. */
  readonly effectiveSize: number;
}

export const resamples = 1000;
/** Fewer requests tell nothing of how they vary together. */
export const requestsMin = 20;
/** Beyond so many, neighbours are drawn together. */
const unitsMax = 10_000;
/** Beyond so many, percentiles are drawn from one value of each k neighbours, chosen at random. */
const valuesMax = 100_000;

/** null below `requestsMin` requests. */
export function confidence(sample: Sample, random: Random): Confidence | null {
  const { values, owner } = sample;
  const requests = values.length === 0 ? 0 : owner.at(-1)! + 1;
  if (requests < requestsMin) return null;
  const together = Math.ceil(requests / unitsMax);
  const units = Math.ceil(requests / together);
  const sums = new Float64Array(units);
  const counts = new Float64Array(units);
  values.forEach((value, i) => {
    const unit = Math.floor(owner[i]! / together);
    sums[unit]! += value;
    counts[unit]!++;
  });
  const series = sums.map((sum, unit) => sum / counts[unit]!).filter(Number.isFinite);
  const { blockLength, effectiveSize } = dependence(series);
  const ranked = rank(sample, together, random);
  const draws: Float64Array[] = [0, 1, 2].map(() => new Float64Array(resamples));
  for (let r = 0; r < resamples; r++) {
    const times = drawBlocks(units, blockLength, random);
    draws[0]![r] = weightedMean(sums, counts, times);
    const [p50, p99] = weightedPercentiles(ranked, times, [50, 99]);
    draws[1]![r] = p50!;
    draws[2]![r] = p99!;
  }
  const [ofMean, ofP50, ofP99] = draws.map(interval);
  return {
    mean: ofMean!,
    p50: carries(values.length, 50) ? ofP50! : null,
    p99: carries(values.length, 99) ? ofP99! : null,
    blockLength: blockLength * together,
    effectiveSize: Math.round(effectiveSize * together),
  };
}

/** The interval of the mean of a series, one value a moment. null below `requestsMin` values. */
export function seriesConfidence(series: Float64Array, random: Random): Interval | null {
  if (series.length < requestsMin) return null;
  const { blockLength } = dependence(series);
  const ones = new Float64Array(series.length).fill(1);
  const means = Float64Array.from({ length: resamples }, () =>
    weightedMean(series, ones, drawBlocks(series.length, blockLength, random)),
  );
  return interval(means);
}

const interval = (draws: Float64Array): Interval => {
  const known = draws.filter(Number.isFinite);
  return [percentile(known, 2.5), percentile(known, 97.5)];
};

/** How many times each unit is drawn: blocks that begin anywhere and run on at the beginning, `units` in all. */
export function drawBlocks(units: number, blockLength: number, random: Random): Int32Array {
  const change = new Int32Array(units + 1);
  for (let left = units; left > 0; left -= blockLength) {
    const from = Math.floor(random() * units);
    const to = from + Math.min(left, blockLength);
    change[from]!++;
    change[Math.min(to, units)]!--;
    if (to > units) {
      change[0]!++;
      change[to - units]!--;
    }
  }
  for (let i = 1; i < units; i++) change[i]! += change[i - 1]!;
  return change.subarray(0, units);
}

export function weightedMean(sums: Float64Array, counts: Float64Array, times: Int32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < times.length; i++) {
    sum += times[i]! * sums[i]!;
    count += times[i]! * counts[i]!;
  }
  return sum / count;
}

/** Values in ascending order, each with the unit it is of. */
export interface Ranked {
  readonly values: Float64Array;
  readonly units: Int32Array;
}

export function rank({ values, owner }: Sample, together: number, random: Random): Ranked {
  const stride = Math.ceil(values.length / valuesMax);
  const pick = (k: number): number => stride * k + (stride > 1 ? Math.floor(random() * stride) : 0);
  const order = Uint32Array.from({ length: Math.floor(values.length / stride) }, (_, k) => pick(k));
  order.sort((a, b) => values[a]! - values[b]!);
  return {
    values: Float64Array.from(order, (i) => values[i]!),
    units: Int32Array.from(order, (i) => Math.floor(owner[i]! / together)),
  };
}

/** Of the sample in which each value stands as often as its unit was drawn, interpolated as numpy does; ascending. */
export function weightedPercentiles(
  { values, units }: Ranked,
  times: Int32Array,
  percents: readonly number[],
): number[] {
  let total = 0;
  for (let i = 0; i < units.length; i++) total += times[units[i]!]!;
  const found: number[] = [];
  let i = -1;
  let below = 0; // values up to and with i
  const valueAt = (place: number): number => {
    while (below <= place) below += times[units[++i]!]!;
    return values[i]!;
  };
  for (const percent of percents) {
    if (total === 0) return percents.map(() => NaN);
    const position = (total - 1) * (percent / 100);
    const place = Math.floor(position);
    const lower = valueAt(place);
    const upper = valueAt(Math.min(place + 1, total - 1));
    found.push(lower + (upper - lower) * (position - place));
  }
  return found;
}
