/** How a count grows: at what rate now, and how that changed. */
import { mean } from "../statistics.ts";
import type { Rates } from "./state.ts";

const samplePeriodS = 0.5;
const samplesKept = 60;
/** "Now" is the mean of so many samples. */
const samplesNow = 4;

export class Growth {
  readonly #history: number[] = [];
  #count = 0;
  #sampleS = 0;
  #sampleCount = 0;

  /** The count at a time; times ascend. A count that is corrected downwards did not grow meanwhile. */
  take(atS: number, count: number): void {
    this.#count = count;
    const passedS = atS - this.#sampleS;
    if (passedS < samplePeriodS) return;
    const rate = Math.max(0, count - this.#sampleCount) / passedS;
    // One sample for each period that passed, so that the curve keeps its scale where looks come late.
    const samples = Math.min(samplesKept, Math.floor(passedS / samplePeriodS));
    for (let i = 0; i < samples; i++) this.#history.push(rate);
    this.#history.splice(0, this.#history.length - samplesKept);
    this.#sampleS = atS;
    this.#sampleCount = count;
  }

  /** Of the last half minute, from the first growth in it; null without any. */
  get recent(): number | null {
    const from = this.#history.findIndex((rate) => rate > 0);
    return from < 0 ? null : mean(this.#history.slice(from));
  }

  rates(atS: number): Rates {
    const now = this.#history.length === 0 ? 0 : mean(this.#history.slice(-samplesNow));
    return {
      now: rounded(now),
      mean: atS > 0 ? rounded(this.#count / atS) : 0,
      history: this.#history.map(rounded),
    };
  }
}

/** What a reader sees of it, so that a state is short as text. */
const rounded = (rate: number): number => Number(rate.toPrecision(4));
