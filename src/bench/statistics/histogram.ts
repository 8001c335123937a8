/**
 * Counts of values in bins whose widths grow with the values, for samples too large to keep: the relative error of a
 * quantile is known, and mean, deviation and maximum are exact but for rounding.
 */

/** Of a quantile, for values within the range of the bins. */
export const histogramError = 0.001;
/** Seconds. What is smaller goes to the first bin, what is larger to the last. */
const smallest = 1e-7;
const largest = 1e5;
/** A bin's middle is off by `histogramError` at its ends. */
const growth = Math.log((1 + histogramError) / (1 - histogramError));
const bins = Math.ceil(Math.log(largest / smallest) / growth) + 1;

export class Histogram {
  readonly #counts = new Float64Array(bins);
  #count = 0;
  #mean = 0;
  /** Sum of squared distances from the mean, by Welford's recurrence. */
  #squares = 0;
  #max = -Infinity;

  get count(): number {
    return this.#count;
  }
  get byteLength(): number {
    return this.#counts.byteLength;
  }
  get mean(): number {
    return this.#count > 0 ? this.#mean : NaN;
  }
  get standardDeviation(): number {
    return this.#count > 0 ? Math.sqrt(this.#squares / this.#count) : NaN;
  }
  get max(): number {
    return this.#count > 0 ? this.#max : NaN;
  }

  add(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const bin = Math.floor(Math.log(value / smallest) / growth);
      this.#counts[Math.min(Math.max(bin, 0), bins - 1) || 0]!++;
      const distance = value - this.#mean;
      this.#mean += distance / ++this.#count;
      this.#squares += distance * (value - this.#mean);
      if (value > this.#max) this.#max = value;
    }
  }

  /** The value below which `percent` of the values lie; NaN without any. */
  percentile(percent: number): number {
    if (this.#count === 0) return NaN;
    const rank = Math.floor((this.#count - 1) * (percent / 100));
    let below = 0;
    for (let bin = 0; bin < bins; bin++) {
      below += this.#counts[bin]!;
      if (below > rank) return smallest * Math.exp(bin * growth) * (1 + histogramError);
    }
    return this.#max;
  }
}
