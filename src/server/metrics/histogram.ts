/**
 * Histograms for what happens at every token. prom-client's own look their labels up at each observation; these
 * count in an array and are written out when somebody asks.
 */
import type { Histogram as PromHistogram, Registry } from "prom-client";

export class Histogram {
  /** Upper bounds, ascending; above them all is +Inf. */
  readonly bounds: readonly number[];
  /** Observations up to each bound and above the one before. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    this.#counts[low]!++;
    this.#sum += value;
  }

  /** Samples in the exposition format: cumulative buckets, sum and count. */
  samples(name: string, labels: Labels) {
    let count = 0;
    const buckets = Array.from(this.#counts, (observed, i) => {
      count += observed;
      const le = this.bounds[i] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

export type Labels = Readonly<Record<string, string>>;

/** Registers histograms under one name, each with its own labels. */
export function registerHistogram(
  registry: Registry,
  name: string,
  help: string,
  series: readonly (readonly [Labels, Histogram])[],
): void {
  const metric = {
    name,
    help,
    get: async () => ({
      name,
      help,
      type: "histogram",
      values: series.flatMap(([labels, histogram]) => histogram.samples(name, labels)),
    }),
  };
  // A registry calls nothing but `get`; its type names the library's own classes.
  registry.registerMetric(metric as unknown as PromHistogram);
}
