/**
 * How much the values of a series tell of one another: requests that run side by side share a batch and a queue, so
 * that a thousand of them are worth fewer independent ones. From it the block length of the bootstrap: D. N. Politis,
 * H. White, "Automatic Block-Length Selection for the Dependent Bootstrap", Econometric Reviews 23(1), 2004, with the
 * correction of Patton, Politis and White, 28(4), 2009, for the circular block bootstrap.
 */
import { mean } from "../statistics.ts";

export interface Dependence {
  /** Values a block, a whole number from 1. */
  readonly blockLength: number;
  /** So many independent values would fix the mean as well. At most the number of values. */
  readonly effectiveSize: number;
}

export function dependence(series: Float64Array): Dependence {
  const n = series.length;
  const centre = mean(series);
  const x = series.map((value) => value - centre);
  const variance = covariance(x, 0);
  if (n < 4 || variance === 0) return { blockLength: 1, effectiveSize: n };
  const most = lagMax(x);
  let slope = 0;
  let longRun = variance;
  for (let lag = 1; lag <= most; lag++) {
    const share = flatTop(lag / most);
    const covaried = covariance(x, lag);
    slope += 2 * share * lag * covaried;
    longRun += 2 * share * covaried;
  }
  // Values that alternate have a long-run variance below their variance, down to nothing.
  if (longRun <= 0) return { blockLength: 1, effectiveSize: n };
  const optimal = Math.cbrt((2 * slope ** 2 * n) / ((4 / 3) * longRun ** 2));
  const longest = Math.ceil(Math.min(3 * Math.sqrt(n), n / 3));
  return {
    blockLength: Math.max(1, Math.ceil(Math.min(optimal, longest))),
    effectiveSize: Math.min(n, (n * variance) / longRun),
  };
}

/** The flat-top window of Politis and Romano. */
const flatTop = (x: number): number => (x <= 0.5 ? 1 : 2 * (1 - x));

/** Of a series about its mean, `lag` values apart. */
function covariance(x: Float64Array, lag: number): number {
  let sum = 0;
  for (let i = lag; i < x.length; i++) sum += x[i]! * x[i - lag]!;
  return sum / x.length;
}

/** Twice the lag after which a run of correlations is within the noise. */
function lagMax(x: Float64Array): number {
  const n = x.length;
  const run = Math.max(5, Math.floor(Math.log10(n)));
  const limit = Math.min(n - 1, Math.ceil(Math.sqrt(n)) + run);
  const noise = 2 * Math.sqrt(Math.log10(n) / n);
  const variance = covariance(x, 0);
  let quiet = 0;
  for (let lag = 1; lag <= limit; lag++) {
    quiet = Math.abs(covariance(x, lag) / variance) < noise ? quiet + 1 : 0;
    if (quiet === run) return Math.min(limit, 2 * Math.max(1, lag - run));
  }
  return limit;
}
