/** Welch's t: the interval and the significance of a difference of means of a few runs. */
import { confidence, type Interval } from "./resample.ts";
import { mean } from "../statistics.ts";
import { studentCdf, studentQuantile } from "../statistics/student.ts";

export interface WelchResult {
  readonly difference: number;
  readonly interval: Interval;
  /** Two-sided. */
  readonly p: number;
}

/** The difference of the means of b and a, at least two values each. */
export function welch(a: readonly number[], b: readonly number[]): WelchResult {
  const errors = [a, b].map((values) => sampleVariance(values) / values.length);
  const [errorA, errorB] = errors as [number, number];
  const error = Math.sqrt(errorA + errorB);
  const difference = mean(b) - mean(a);
  if (error === 0) {
    return {
      difference,
      interval: { low: difference, high: difference },
      p: difference === 0 ? 1 : 0,
    };
  }
  const freedom =
    (errorA + errorB) ** 2 / (errorA ** 2 / (a.length - 1) + errorB ** 2 / (b.length - 1));
  const half = error * studentQuantile(0.5 + confidence / 2, freedom);
  return {
    difference,
    interval: { low: difference - half, high: difference + half },
    p: 2 * (1 - studentCdf(Math.abs(difference) / error, freedom)),
  };
}

function sampleVariance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}
