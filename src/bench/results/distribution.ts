/** The distribution of a latency over the requests of a run. */
import { latencySamples } from "../analysis/latencies.ts";
import type { Measurements } from "../measurements.ts";
import { percentileOfSorted } from "../statistics.ts";
import type { LatencyMetric } from "./figures.ts";

export interface Distribution {
  /** Of values. */
  readonly count: number;
  /** Milliseconds. */
  percentile(percent: number): number;
}

export function distributionOf(metric: LatencyMetric, m: Measurements): Distribution {
  const { histogram } = m;
  if (metric === "itl" && histogram) {
    const percentile = (percent: number): number =>
      1000 * (percent < 100 ? histogram.percentile(percent) : histogram.max);
    return { count: histogram.count, percentile };
  }
  const sorted = latencySamples[metric](m, m.indices("ok")).values.sort();
  const percentile = (percent: number): number => 1000 * percentileOfSorted(sorted, percent);
  return { count: sorted.length, percentile };
}

/** A line of so many points cannot be told from one of all. */
const pointsMax = 240;

/** Percent and milliseconds, ascending; dense where the last percents are: there the question is. */
export function cumulative({ count, percentile }: Distribution) {
  const points = Math.min(pointsMax, count);
  return Array.from({ length: points }, (_, i) => {
    const percent = 100 * (1 - (1 - i / (points - 1)) ** 1.5);
    return { percent, ms: percentile(percent) };
  });
}
