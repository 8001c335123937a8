/**
 * Means, deviations and percentiles with numpy's order of additions and its interpolation, so that a
 * figure computed from the same latencies is the same double. Empty input gives NaN.
 */

/** numpy's pairwise summation: blocks of 128 in eight lanes, halves above that. */
function pairwiseSum(x: Float64Array, from: number, count: number): number {
  if (count < 8) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += x[from + i]!;
    return sum;
  }
  if (count <= 128) return laneSum(x, from, count);
  const half = Math.floor(count / 2);
  const left = half - (half % 8);
  return pairwiseSum(x, from, left) + pairwiseSum(x, from + left, count - left);
}

function laneSum(x: Float64Array, from: number, count: number): number {
  const lanes = x.slice(from, from + 8);
  const whole = count - (count % 8);
  for (let i = 8; i < whole; i++) lanes[i % 8]! += x[from + i]!;
  const [a, b, c, d, e, f, g, h] = lanes as unknown as number[];
  let sum = a! + b! + (c! + d!) + (e! + f! + (g! + h!));
  for (let i = whole; i < count; i++) sum += x[from + i]!;
  return sum;
}

export function mean(x: ArrayLike<number>): number {
  const values = x instanceof Float64Array ? x : Float64Array.from(x);
  return pairwiseSum(values, 0, values.length) / values.length;
}

/** Population standard deviation. */
export function standardDeviation(x: ArrayLike<number>): number {
  const centre = mean(x);
  const squares = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) squares[i] = (x[i]! - centre) ** 2;
  return Math.sqrt(mean(squares));
}

export function median(x: ArrayLike<number>): number {
  return medianOfSorted(Float64Array.from(x).sort());
}

/** The same of values in ascending order. */
export function medianOfSorted(sorted: Float64Array): number {
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return NaN;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which `percent` of the values lie, interpolated linearly. */
export function percentile(x: ArrayLike<number>, percent: number): number {
  return percentileOfSorted(Float64Array.from(x).sort(), percent);
}

/** The same of values in ascending order. */
export function percentileOfSorted(sorted: Float64Array, percent: number): number {
  if (sorted.length === 0) return NaN;
  const position = (sorted.length - 1) * (percent / 100);
  const index = Math.floor(position);
  const lower = sorted[index]!;
  const upper = sorted[Math.min(index + 1, sorted.length - 1)]!;
  const share = position - index;
  const step = upper - lower;
  return share >= 0.5 ? upper - step * (1 - share) : lower + step * share;
}
