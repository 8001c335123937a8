/** How much was under way at each moment of a run: spans of time, laid over bins of equal width. */

/** Spans in seconds from the start of the run; each carries an amount, spread evenly over it. */
export interface Spans {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly amount: Float64Array;
}

/** The amount that falls into each of `bins` bins between `startS` and `endS`. */
export function amounts(spans: Spans, startS: number, endS: number, bins: number): Float64Array {
  const width = (endS - startS) / bins;
  const result = new Float64Array(bins);
  // What whole bins get is added where it begins and taken away where it ends.
  const change = new Float64Array(bins + 1);
  const at = (s: number): number => Math.min(Math.max((s - startS) / width, 0), bins);
  const addTo = (bin: number, amount: number): void => {
    if (amount !== 0) result[Math.min(bin, bins - 1)]! += amount;
  };
  for (let i = 0; i < spans.from.length; i++) {
    const [fromS, toS, amount] = [spans.from[i]!, spans.to[i]!, spans.amount[i]!];
    if (toS <= fromS) {
      if (fromS >= startS && fromS <= endS) addTo(Math.floor(at(fromS)), amount);
      continue;
    }
    const [from, to] = [at(fromS), at(toS)];
    const perBin = (amount * width) / (toS - fromS);
    const [first, last] = [Math.floor(from), Math.floor(to)];
    if (first === last) addTo(first, (to - from) * perBin);
    else {
      addTo(first, (first + 1 - from) * perBin);
      addTo(last, (to - last) * perBin);
      change[first + 1]! += perBin;
      change[last]! -= perBin;
    }
  }
  let whole = 0;
  return result.map((part, bin) => part + (whole += change[bin]!));
}

/** The mean number of spans under way in each bin. */
export function inFlight(
  from: Float64Array,
  to: Float64Array,
  startS: number,
  endS: number,
  bins: number,
): Float64Array {
  const amount = from.map((s, i) => to[i]! - s);
  const width = (endS - startS) / bins;
  return amounts({ from, to, amount }, startS, endS, bins).map((seconds) => seconds / width);
}
