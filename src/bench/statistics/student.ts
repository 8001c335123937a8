/** What a few repeated runs say together: Student's t interval of their mean, and their coefficient of variation. */
import { mean } from "../statistics.ts";

export interface Repeated {
  readonly values: number;
  readonly mean: number;
  /** The 95 % interval of the mean; null below two values. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Sample deviation over mean; null below two values. */
  readonly variation: number | null;
}

export function repeated(values: readonly number[]): Repeated {
  const n = values.length;
  const centre = mean(values);
  if (n < 2) return { values: n, mean: centre, interval: null, variation: null };
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const deviation = Math.sqrt(squares / (n - 1));
  const reach = (studentQuantile(0.975, n - 1) * deviation) / Math.sqrt(n);
  const interval = [centre - reach, centre + reach] as const;
  return { values: n, mean: centre, interval, variation: deviation / Math.abs(centre) };
}

/** The `p` quantile of Student's t distribution, for 0.5 <= p < 1; found by bisection of its distribution function. */
export function studentQuantile(p: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentCdf(high, freedom) < p) high *= 2;
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (studentCdf(middle, freedom) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The probability of less than `t`, for t >= 0. */
export function studentCdf(t: number, freedom: number): number {
  return 1 - incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
}

/** The regularized incomplete beta function I_x(a, b) (NIST DLMF 8.17.22), its fraction by Lentz's method. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  );
  if (x > (a + 1) / (a + b + 2)) return 1 - (front * betaFraction(1 - x, b, a)) / b;
  return (front * betaFraction(x, a, b)) / a;
}

const nonZero = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);

function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let result = d;
  const step = (term: number): number => {
    d = 1 / nonZero(1 + term * d);
    c = nonZero(1 + term / c);
    return c * d;
  };
  for (let m = 1; m < 1000; m++) {
    result *= step((m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)));
    const factor = step((-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)));
    result *= factor;
    if (Math.abs(factor - 1) < 1e-16) break;
  }
  return result;
}

/** Logarithm of the gamma function, by Lanczos' approximation with g = 7. */
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
