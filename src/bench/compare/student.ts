/** Student's t for a few runs: Welch's interval and significance of a difference of means, and of one mean. */
import { confidence, type Interval } from "./resample.ts";
import { mean } from "../statistics.ts";

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

/** The mean of at least two runs and where it is, by Student's t. */
export function meanInterval(values: readonly number[]): Interval {
  const centre = mean(values);
  const error = Math.sqrt(sampleVariance(values) / values.length);
  const half = error * studentQuantile(0.5 + confidence / 2, values.length - 1);
  return { low: centre - half, high: centre + half };
}

function sampleVariance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** The probability of a t below `t`. */
export function studentCdf(t: number, freedom: number): number {
  const tail = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
  return t >= 0 ? 1 - tail : tail;
}

/** The t below which a share of 0.5 to 1 lies. */
export function studentQuantile(share: number, freedom: number): number {
  let low = 0;
  let high = 1;
  while (studentCdf(high, freedom) < share) high *= 2;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, freedom) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The regularised incomplete beta function, by its continued fraction (Numerical Recipes, 6.4). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const logFront =
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x);
  return (Math.exp(logFront) * betaFraction(x, a, b)) / a;
}

const away = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);

/** Lentz's method. */
function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= 300; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    const step = d * c;
    result *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return result;
}

/** Lanczos' approximation with g = 7. */
function logGamma(x: number): number {
  const coefficients = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
    -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
    1.5056327351493116e-7,
  ];
  const base = x - 1;
  const sum = coefficients.reduce((total, c, i) => (i === 0 ? c : total + c / (base + i)), 0);
  const t = base + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (base + 0.5) * Math.log(t) - t + Math.log(sum);
}
