/**
 * Mean, maximum and percentiles of a sample, each only where the sample can carry it: a percentile with fewer than
 * `beyondMin` values beyond it says more of those few values than of the server.
 */
import { mean, percentileOfSorted, standardDeviation } from "../statistics.ts";
import type { Histogram } from "./histogram.ts";

/** How many values must lie beyond a percentile. */
export const beyondMin = 10;

export const reported = [50, 90, 95, 99, 99.9] as const;
export type Percent = (typeof reported)[number];

/** In the unit of the values. Everything is NaN without values. */
export interface Distribution {
  readonly values: number;
  readonly mean: number;
  readonly deviation: number;
  readonly max: number;
  /** null: the sample is too small for it. */
  readonly percentiles: Readonly<Record<Percent, number | null>>;
}

/** The fewest values for which a percentile is told. */
export function valuesNeeded(percent: number): number {
  const beyond = Math.min(percent, 100 - percent) / 100;
  // Rounded first: 100 - 99.9 is a little more than 0.1.
  return Math.ceil(Number((beyondMin / beyond).toFixed(6)));
}

export const carries = (values: number, percent: number): boolean =>
  values >= valuesNeeded(percent);

/** Takes the values over: they are in ascending order afterwards. */
export function distribution(values: Float64Array): Distribution {
  const [centre, deviation] = [mean(values), standardDeviation(values)];
  const sorted = values.sort();
  return {
    values: sorted.length,
    mean: centre,
    deviation,
    max: sorted.at(-1) ?? NaN,
    percentiles: percentilesBy(sorted.length, (percent) => percentileOfSorted(sorted, percent)),
  };
}

export function histogramDistribution(histogram: Histogram): Distribution {
  return {
    values: histogram.count,
    mean: histogram.mean,
    deviation: histogram.standardDeviation,
    max: histogram.max,
    percentiles: percentilesBy(histogram.count, (percent) => histogram.percentile(percent)),
  };
}

function percentilesBy(
  values: number,
  percentileOf: (percent: number) => number,
): Distribution["percentiles"] {
  const told = reported.map((p) => [p, carries(values, p) ? percentileOf(p) : null] as const);
  return Object.fromEntries(told) as Distribution["percentiles"];
}
