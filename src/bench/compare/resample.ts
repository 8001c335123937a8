/**
 * How a figure of one run could have come out: its requests drawn again, in blocks of neighbours, since requests that
 * are served together are slow together (circular block bootstrap). Throughput is drawn from stretches of the run.
 */
import seedrandom from "seedrandom";
import { runtime } from "../../runtime/index.ts";
import { latencySamples } from "../analysis/latencies.ts";
import { brought, rates } from "../analysis/throughput.ts";
import type { Measurements } from "../measurements.ts";
import { durationOf, type Figure } from "../results/figures.ts";
import { percentile } from "../statistics.ts";
import {
  oneEach,
  type Random,
  requestsMin,
  requestsOf,
  resample,
  resamples,
  type Sample,
} from "../statistics/bootstrap.ts";
import { valuesNeeded } from "../statistics/percentiles.ts";
import { valuesOf } from "../statistics/values.ts";

export type { Random };

export const seeded = (seed: string): Random => seedrandom.alea(seed);

/** Requests from which on the sample of a figure, some 20 bytes each, is given back at once. */
const manyRequests = 100_000;

/** Draws of a figure, or why there are none. */
export type Draws = Float64Array | { readonly refused: string };

/** @param rounds The more draws, the finer the ends of an interval. */
export function drawFigure(
  figure: Figure,
  m: Measurements,
  random: Random,
  rounds = resamples,
): Draws {
  const statistic = figure.kind === "latency" ? figure.statistic : "mean";
  if (statistic === "max" || statistic === "std") return { refused: "not for this figure" };
  if (figure.kind === "latency" && figure.metric === "itl" && m.histogram) {
    return { refused: "the gaps were too many to be kept" };
  }
  const sample = sampleOf(figure, m);
  const requests = requestsOf(sample);
  if (requests < requestsMin) {
    return { refused: `${requests} requests are too few; ${requestsMin} at least` };
  }
  const count = sample.values.length;
  const needed = statistic === "mean" ? 0 : valuesNeeded(statistic);
  if (count < needed) return { refused: `p${statistic} needs ${needed} values, not ${count}` };
  const percents = statistic === "mean" ? [] : [statistic];
  const { means, percentiles } = resample(sample, percents, random, rounds);
  if (m.ended > manyRequests) runtime.collectGarbage();
  const draws = percentiles[0] ?? means;
  return figure.kind === "latency" ? draws.map((seconds) => seconds * 1000) : draws;
}

function sampleOf(figure: Figure, m: Measurements): Sample {
  const ok = m.indices("ok");
  if (figure.kind === "throughput") {
    const durationS = durationOf(m);
    const known = durationS > 0 ? rates(brought[figure.count](m, ok), durationS) : [];
    return oneEach(Float64Array.from(known));
  }
  if (figure.kind === "errors") {
    const ended = m.indices();
    return oneEach(valuesOf(ended, (i) => (m.outcome(i) === "ok" ? 0 : 100)));
  }
  return latencySamples[figure.metric](m, ok);
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
