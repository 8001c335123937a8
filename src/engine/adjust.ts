/** What a request does to its logits, from step to step: penalties for what it has generated, and biases. */
import type { RowAdjustment, StepWriter } from "../program/index.ts";
import type { LogitAdjustments } from "./api.ts";

const noBiases = new Int32Array(0);

export class LogitAdjuster implements RowAdjustment {
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly repetitionPenalty: number;
  /** {token, count} pairs by ascending token; grows with the number of different tokens. */
  counts = new Int32Array(32);
  countedTokens = 0;
  biases: Int32Array = noBiases;
  /** Without penalties nothing is counted. */
  readonly #counting: boolean;
  readonly #minNewTokens: number;
  /** Biases while there are fewer than minNewTokens tokens, and from then on. */
  readonly #earlyBiases: Int32Array;
  readonly #lateBiases: Int32Array;

  constructor(adjustments: LogitAdjustments) {
    const { frequencyPenalty, presencePenalty, repetitionPenalty } = adjustments;
    const { logitBias, minNewTokens, blockedTokenIds } = adjustments;
    this.frequencyPenalty = frequencyPenalty;
    this.presencePenalty = presencePenalty;
    this.repetitionPenalty = repetitionPenalty;
    this.#counting = frequencyPenalty !== 0 || presencePenalty !== 0 || repetitionPenalty !== 1;
    this.#minNewTokens = minNewTokens;
    const blocked = blockedTokenIds.map((token) => [token, -Infinity] as const);
    this.#lateBiases = biasPairs(new Map(logitBias));
    this.#earlyBiases =
      minNewTokens > 0 ? biasPairs(new Map([...logitBias, ...blocked])) : noBiases;
  }

  /** Counts a token that was generated. */
  count(token: number): void {
    if (!this.#counting) return;
    const counts = this.counts;
    let low = 0;
    for (let high = this.countedTokens; low < high;) {
      const middle = (low + high) >>> 1;
      if (counts[2 * middle]! < token) low = middle + 1;
      else high = middle;
    }
    if (low < this.countedTokens && counts[2 * low] === token) counts[2 * low + 1]!++;
    else this.#insert(low, token);
  }

  #insert(index: number, token: number): void {
    const end = 2 * this.countedTokens++;
    if (end === this.counts.length) {
      const larger = new Int32Array(2 * end);
      larger.set(this.counts);
      this.counts = larger;
    }
    this.counts.copyWithin(2 * index + 2, 2 * index, end);
    this.counts[2 * index] = token;
    this.counts[2 * index + 1] = 1;
  }

  /**
   * Adjusts the step's last row, which draws the token after `generated` others. All of them have been counted, but
   * for the last if row `pendingRow` (else -1) of the step before is still drawing it.
   */
  adjust(step: StepWriter, generated: number, pendingRow: number): void {
    this.biases = generated < this.#minNewTokens ? this.#earlyBiases : this.#lateBiases;
    const counted = this.#counting && generated > 0;
    if (counted) step.adjustRow(this, pendingRow);
    else if (this.biases.length > 0) step.adjustRow(this);
  }
}

/** {token, fp32 bits} pairs by ascending token. */
function biasPairs(biases: ReadonlyMap<number, number>): Int32Array {
  const sorted = [...biases].sort(([a], [b]) => a - b);
  const words = new Int32Array(2 * sorted.length);
  const floats = new Float32Array(words.buffer);
  sorted.forEach(([token, bias], i) => {
    words[2 * i] = token;
    floats[2 * i + 1] = bias;
  });
  return words;
}
