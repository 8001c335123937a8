/**
 * Confidence intervals by the circular block bootstrap (D. N. Politis, J. P. Romano, 1992): whole stretches of
 * neighbouring requests are drawn again, so that what they share is drawn with them. Intervals are percentile
 * intervals of 95 %.
 */
import { percentile } from "../statistics.ts";
import { dependence } from "./dependence.ts";
import { carries } from "./percentiles.ts";
import { valuesOf } from "./values.ts";

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

/** Requests that a sample is of. */
export const requestsOf = ({ owner }: Sample): number => (owner.at(-1) ?? -1) + 1;

/** null below `requestsMin` requests. */
export function confidence(sample: Sample, random: Random): Confidence | null {
  if (requestsOf(sample) < requestsMin) return null;
  const { means, percentiles, blockLength, effectiveSize } = resample(sample, [50, 99], random);
  const [p50, p99] = percentiles as [Float64Array, Float64Array];
  return {
    mean: interval(means),
    p50: carries(sample.values.length, 50) ? interval(p50) : null,
    p99: carries(sample.values.length, 99) ? interval(p99) : null,
    blockLength,
    effectiveSize,
  };
}

/** The interval of the mean of a series, one value a moment. null below `requestsMin` values. */
export function seriesConfidence(series: Float64Array, random: Random): Interval | null {
  if (series.length < requestsMin) return null;
  return interval(resample(oneEach(series), [], random).means);
}

/** A sample of one value a request. */
export const oneEach = (values: Float64Array): Sample => ({
  values,
  owner: new Int32Array(values.length).map((_, i) => i),
});

/** What the figures of a sample could have been. */
export interface Resampled {
  readonly means: Float64Array;
  /** One list for each percentile that was asked for. */
  readonly percentiles: readonly Float64Array[];
  readonly blockLength: number;
  readonly effectiveSize: number;
}

/** Draws the requests of a sample, one at least, again and again. @param percents Ascending. */
export function resample(
  sample: Sample,
  percents: readonly number[],
  random: Random,
  rounds = resamples,
): Resampled {
  const requests = requestsOf(sample);
  const together = Math.ceil(requests / unitsMax);
  const units = Math.ceil(requests / together);
  const sums = new Float64Array(units);
  const counts = new Float64Array(units);
  sample.values.forEach((value, i) => {
    const unit = Math.floor(sample.owner[i]! / together);
    sums[unit]! += value;
    counts[unit]!++;
  });
  const series = sums.map((sum, unit) => sum / counts[unit]!).filter(Number.isFinite);
  const { blockLength, effectiveSize } = dependence(series);
  const ranked = percents.length > 0 ? rank(sample, together, random) : null;
  const means = new Float64Array(rounds);
  const percentiles = percents.map(() => new Float64Array(rounds));
  const times = new Int32Array(units);
  for (let r = 0; r < rounds; r++) {
    drawBlocks(times, blockLength, random);
    means[r] = weightedMean(sums, counts, times);
    const found = ranked ? weightedPercentiles(ranked, times, percents) : [];
    found.forEach((value, k) => (percentiles[k]![r] = value));
  }
  return {
    means,
    percentiles,
    blockLength: blockLength * together,
    effectiveSize: Math.round(effectiveSize * together),
  };
}

const interval = (draws: Float64Array): Interval => {
  const known = draws.filter(Number.isFinite);
  return [percentile(known, 2.5), percentile(known, 97.5)];
};

/** How many `times` each unit is drawn: blocks that begin anywhere and run on at the beginning, as many as units in all. */
function drawBlocks(times: Int32Array, blockLength: number, random: Random): void {
  const units = times.length;
  // First where the number changes; what would change beyond the end is left out.
  times.fill(0);
  for (let left = units; left > 0; left -= blockLength) {
    const from = Math.floor(random() * units);
    const to = from + Math.min(left, blockLength);
    times[from]!++;
    if (to < units) times[to]!--;
    if (to > units) {
      times[0]!++;
      times[to - units]!--;
    }
  }
  for (let i = 1; i < units; i++) times[i]! += times[i - 1]!;
}

function weightedMean(sums: Float64Array, counts: Float64Array, times: Int32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < times.length; i++) {
    sum += times[i]! * sums[i]!;
    count += times[i]! * counts[i]!;
  }
  return sum / count;
}

/** Values in ascending order, each with the unit it is of. */
interface Ranked {
  readonly values: Float64Array;
  readonly units: Int32Array;
}

function rank({ values, owner }: Sample, together: number, random: Random): Ranked {
  const stride = Math.ceil(values.length / valuesMax);
  const pick = (k: number): number => stride * k + (stride > 1 ? Math.floor(random() * stride) : 0);
  const order = new Int32Array(Math.floor(values.length / stride)).map((_, k) => pick(k));
  order.sort((a, b) => values[a]! - values[b]!);
  return {
    values: valuesOf(order, (i) => values[i]!),
    units: order.map((i) => Math.floor(owner[i]! / together)),
  };
}

/** Of the sample in which each value stands as often as its unit was drawn, interpolated as numpy does; ascending. */
function weightedPercentiles(
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
