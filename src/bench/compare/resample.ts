/**
 * How a figure of one run could have come out: its records drawn again, in blocks of neighbours, since requests that
 * are served together are slow together (circular block bootstrap). Throughput is drawn from slices of time.
 */
import seedrandom from "seedrandom";
import {
  type Counted,
  type Figure,
  latenciesMs,
  type LatencyStatistic,
} from "../results/figures.ts";
import { type RecordedRun, succeeded } from "../results/records.ts";
import { mean, percentile } from "../statistics.ts";
import { eventsOf, spanOf } from "../results/events.ts";

export type Random = () => number;

export const seeded = (seed: string): Random => seedrandom.alea(seed);

const usualRounds = 1000;
/** Values times rounds, so that a million gaps take seconds. */
const mostWork = 4e8;
/** Below this many requests nothing is drawn. */
const fewestUnits = 10;
/** A percentile needs as many values beyond it, or it is only the greatest ones. */
const beyond = 5;

/** Values in groups that are drawn as one: the gaps of a request. */
interface Sample {
  /** Ascending. */
  readonly values: Float64Array;
  /** The group of each value. */
  readonly groups: Uint32Array;
  readonly sums: Float64Array;
  readonly counts: Float64Array;
}

/** Draws of a figure, or why there are none. */
export type Draws = Float64Array | { readonly refused: string };

/** What is drawn and asked of a draw. */
interface Question {
  readonly groups: readonly (readonly number[])[];
  readonly statistic: LatencyStatistic;
}

/** @param roundsMax Draws, unless that would take long: the more, the finer the ends of an interval. */
export function drawFigure(
  figure: Figure,
  run: RecordedRun,
  random: Random,
  roundsMax = usualRounds,
): Draws {
  const { groups, statistic } = questionOf(figure, run);
  const units = Math.min(run.length, groups.length);
  if (units < fewestUnits) {
    return { refused: `${units} requests are too few; ${fewestUnits} at least` };
  }
  if (statistic === "max" || statistic === "std") return { refused: "not for this figure" };
  const count = groups.reduce((sum, group) => sum + group.length, 0);
  if (count === 0) return { refused: "no values" };
  const needed = statistic === "mean" ? 0 : Math.ceil(beyond / (1 - statistic / 100) - 1e-9);
  if (count < needed) return { refused: `p${statistic} needs ${needed} values, not ${count}` };
  const rounds = Math.max(200, Math.min(roundsMax, Math.floor(mostWork / count)));
  return resample(sampleOf(groups), statistic, blockLength(groups), rounds, random);
}

function questionOf(figure: Figure, run: RecordedRun): Question {
  if (figure.kind === "latency") {
    const groups = succeeded(run).map((record) => latenciesMs(figure.metric, record));
    return { groups: groups.filter((group) => group.length > 0), statistic: figure.statistic };
  }
  if (figure.kind === "errors") {
    return { groups: run.map(({ failure }) => [failure === null ? 0 : 100]), statistic: "mean" };
  }
  return { groups: slices(figure.count, run).map((rate) => [rate]), statistic: "mean" };
}

/** Rates a second in slices of the run. A run's beginning and end are among them, so the spread is a cautious one. */
function slices(count: Counted, run: RecordedRun): number[] {
  const { startS, endS } = spanOf(run);
  const number = Math.max(fewestUnits, Math.min(200, Math.floor(run.length / 2)));
  const widthS = (endS - startS) / number;
  if (!(widthS > 0)) return [];
  const amounts = new Float64Array(number);
  eventsOf(run, count, (timeS, amount) => {
    amounts[Math.min(number - 1, Math.floor((timeS - startS) / widthS))]! += amount;
  });
  return Array.from(amounts, (amount) => amount / widthS);
}

function sampleOf(groups: readonly (readonly number[])[]): Sample {
  const flat = Float64Array.from(groups.flat());
  const owners = Uint32Array.from(groups.flatMap((group, i) => group.map(() => i)));
  const order = Uint32Array.from(flat.keys()).sort((a, b) => flat[a]! - flat[b]!);
  return {
    values: Float64Array.from(order, (i) => flat[i]!),
    groups: Uint32Array.from(order, (i) => owners[i]!),
    sums: Float64Array.from(groups, (group) => group.reduce((sum, value) => sum + value, 0)),
    counts: Float64Array.from(groups, (group) => group.length),
  };
}

function resample(
  sample: Sample,
  statistic: "mean" | number,
  block: number,
  rounds: number,
  random: Random,
): Float64Array {
  const size = sample.sums.length;
  const weights = new Uint32Array(size);
  const draws = new Float64Array(rounds);
  for (let round = 0; round < rounds; round++) {
    drawWeights(weights, block, random);
    draws[round] =
      statistic === "mean" ? weightedMean(sample, weights) : quantile(sample, weights, statistic);
  }
  return draws;
}

/** How often each group is drawn, when blocks are drawn until there are as many as groups. */
function drawWeights(weights: Uint32Array, block: number, random: Random): void {
  weights.fill(0);
  const size = weights.length;
  for (let drawn = 0; drawn < size;) {
    const start = Math.floor(random() * size);
    for (let i = 0; i < block && drawn < size; i++, drawn++) weights[(start + i) % size]!++;
  }
}

function weightedMean({ sums, counts }: Sample, weights: Uint32Array): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]! * sums[i]!;
    count += weights[i]! * counts[i]!;
  }
  return sum / count;
}

/** The percentile of the drawn values, interpolated as `percentile` does. */
function quantile({ values, groups, counts }: Sample, weights: Uint32Array, percent: number) {
  let total = 0;
  for (let i = 0; i < weights.length; i++) total += weights[i]! * counts[i]!;
  const position = (total - 1) * (percent / 100);
  const rank = Math.floor(position);
  let i = -1;
  let seen = 0;
  while (seen <= rank) seen += weights[groups[++i]!]!;
  const lower = values[i]!;
  if (seen > rank + 1) return lower; // drawn more than once
  do i++;
  while (i < values.length && weights[groups[i]!] === 0);
  return lower + ((values[i] ?? lower) - lower) * (position - rank);
}

/**
 * Groups that are drawn together: twice the time over which the groups' means are correlated (the sum of their
 * autocorrelations until these vanish), at least the cube root of their number, at most a quarter of it.
 */
export function blockLength(groups: readonly (readonly number[])[]): number {
  const means = groups.map(mean);
  const size = means.length;
  const centre = mean(means);
  const deviations = Float64Array.from(means, (value) => value - centre);
  const covariance = (lag: number): number => {
    let sum = 0;
    for (let i = lag; i < size; i++) sum += deviations[i]! * deviations[i - lag]!;
    return sum / size;
  };
  const variance = covariance(0) || 1;
  const most = Math.max(1, Math.floor(size / 4));
  let time = 1;
  for (let lag = 1; lag <= most; lag++) {
    const correlation = covariance(lag) / variance;
    if (correlation < 2 / Math.sqrt(size)) break;
    time += 2 * correlation;
  }
  const length = Math.max(Math.cbrt(size), time > 1 ? 2 * time : 1);
  return Math.min(most, Math.max(1, Math.round(length)));
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export const confidence = 0.95;

/** The middle part of draws that holds the figure with the stated confidence. */
export function intervalOf(draws: ArrayLike<number>): Interval {
  const tail = (100 * (1 - confidence)) / 2;
  return { low: percentile(draws, tail), high: percentile(draws, 100 - tail) };
}
