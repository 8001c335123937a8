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
import {
  drawBlocks,
  rank,
  type Random,
  requestsMin,
  resamples,
  weightedMean,
  weightedPercentiles,
} from "../statistics/bootstrap.ts";
import { dependence } from "../statistics/dependence.ts";
import { valuesNeeded } from "../statistics/percentiles.ts";
import { eventsOf, spanOf } from "../results/events.ts";

export type { Random };

export const seeded = (seed: string): Random => seedrandom.alea(seed);

/** Values times rounds, so that a million gaps take seconds. */
const mostWork = 4e8;

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
  roundsMax = resamples,
): Draws {
  const { groups, statistic } = questionOf(figure, run);
  const units = Math.min(run.length, groups.length);
  if (units < requestsMin) {
    return { refused: `${units} requests are too few; ${requestsMin} at least` };
  }
  if (statistic === "max" || statistic === "std") return { refused: "not for this figure" };
  const count = groups.reduce((sum, group) => sum + group.length, 0);
  if (count === 0) return { refused: "no values" };
  const needed = statistic === "mean" ? 0 : valuesNeeded(statistic);
  if (count < needed) return { refused: `p${statistic} needs ${needed} values, not ${count}` };
  const rounds = Math.max(200, Math.min(roundsMax, Math.floor(mostWork / count)));
  return resample(groups, statistic, rounds, random);
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
  const number = Math.max(requestsMin, Math.min(200, Math.floor(run.length / 2)));
  const widthS = (endS - startS) / number;
  if (!(widthS > 0)) return [];
  const amounts = new Float64Array(number);
  eventsOf(run, count, (timeS, amount) => {
    amounts[Math.min(number - 1, Math.floor((timeS - startS) / widthS))]! += amount;
  });
  return Array.from(amounts, (amount) => amount / widthS);
}

type Groups = Question["groups"];

function resample(
  groups: Groups,
  statistic: "mean" | number,
  rounds: number,
  random: Random,
): Float64Array {
  const size = groups.length;
  const { blockLength } = dependence(Float64Array.from(groups, mean));
  const draw = statistic === "mean" ? meanOf(groups) : percentileOf(groups, statistic, random);
  return Float64Array.from({ length: rounds }, () => draw(drawBlocks(size, blockLength, random)));
}

/** A figure of the groups when each is taken so many times. */
type Statistic = (times: Int32Array) => number;

function meanOf(groups: Groups): Statistic {
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, value) => sum + value, 0));
  const counts = Float64Array.from(groups, (group) => group.length);
  return (times) => weightedMean(sums, counts, times);
}

function percentileOf(groups: Groups, percent: number, random: Random): Statistic {
  const values = Float64Array.from(groups.flat());
  const owner = Int32Array.from(groups.flatMap((group, i) => group.map(() => i)));
  const ranked = rank({ values, owner }, 1, random);
  return (times) => weightedPercentiles(ranked, times, [percent])[0]!;
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
