/** How long the runs of a series that are still to come will take. */
import type { BenchOptions } from "../options.ts";

export class SeriesTime {
  #took = 0;
  #runs = 0;

  /** Does a run, and remembers how long it took. */
  async measure<T>(run: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const result = await run();
    this.#took += (performance.now() - startMs) / 1000;
    this.#runs++;
    return result;
  }

  /** As long as their arrivals, else as long as the runs so far; null before there are any. */
  restS(runs: readonly BenchOptions[]): number | null {
    const usualS = this.#runs > 0 ? this.#took / this.#runs : NaN;
    const restS = runs.reduce((sum, options) => sum + (arrivalsS(options) ?? usualS), 0);
    return Number.isNaN(restS) ? null : restS;
  }
}

/** null: everything comes at once, or as it is served. */
function arrivalsS({ duration, numPrompts, requestRate }: BenchOptions): number | null {
  if (duration !== null) return duration;
  return Number.isFinite(requestRate.perSecond) ? numPrompts / requestRate.perSecond : null;
}
