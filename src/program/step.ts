/** What goes into a step and what comes out: the flat arrays of sb_run and sb_wait, reused from step to step. */
import {
  abiVersion,
  adjustWords,
  askedMax,
  askedWords,
  resultWords,
  samplingWords,
  stepHeaderWords,
  topMax,
} from "./backend.ts";

/** The most that one step may hold, and the size of the KV pool. */
export interface ProgramLimits {
  readonly tokens: number;
  readonly requests: number;
  /** Logits rows. */
  readonly rows: number;
  /** Pages of the KV pool, `pageTokens` tokens each. */
  readonly pages: number;
  /** Page-table entries of a step, all requests together. */
  readonly tableEntries: number;
}

/** How a row's token is drawn; the engine's SamplingParams has this shape. */
export interface DrawParams {
  /** >= 0; below 1e-6 the most likely token is taken. */
  readonly temperature: number;
  /** in (0, 1] */
  readonly topP: number;
  /** >= 1, or -1 for no limit */
  readonly topK: number;
  /** in [0, 1] */
  readonly minP: number;
  /** 0 <= seed < 2^53 */
  readonly seed: number;
}

/** What is done to the logits of a row before anything else; the engine's LogitAdjuster has this shape. */
export interface RowAdjustment {
  /** Subtracted from the logit of a generated token as often as it was generated. */
  readonly frequencyPenalty: number;
  /** Subtracted once. */
  readonly presencePenalty: number;
  /** Above 0; then divides the logit if that is positive, else multiplies it. */
  readonly repetitionPenalty: number;
  /** {token, count} pairs by ascending token: what was generated so far. */
  readonly counts: Int32Array;
  /** Pairs of `counts` that are in use. */
  readonly countedTokens: number;
  /** {token, fp32 bits} pairs by ascending token; added last, -Infinity forbids the token. */
  readonly biases: Int32Array;
}

const noLimit = 0x7fffffff;
const none = -1;
const greedyBelow = 1e-6;
/** What is above 0 or finite stays so as fp32: the device refuses a whole step for a single wrong number. */
const positive = (value: number) => (value > 0 ? Math.max(value, 1e-30) : value);
const finite = (value: number) => (value < Infinity ? Math.min(value, 1e30) : value);

/**
 * Writes the description of a step. Use: `reset`, then for each request `addRequest`, its ids, and a row
 * (`addDraw`, `addTarget`) right after each id whose logits are wanted, and `adjustRow` and `askRow` right after
 * its row. Allocates nothing per token, but that its room for these doubles when it must. Exceeding a limit of the
 * program is a programmer's error: a RangeError.
 */
export class StepWriter {
  readonly #limits: ProgramLimits;
  readonly #ids: Int32Array;
  readonly #begin: Int32Array;
  readonly #start: Int32Array;
  readonly #pages: Int32Array;
  readonly #table: Int32Array;
  readonly #rows: Int32Array;
  readonly #sampling: Int32Array;
  readonly #samplingFloats: Float32Array;
  /** Their length has no limit: it is what requests have generated so far. */
  #adjustments = new Int32Array(1024);
  #adjustmentFloats = new Float32Array(this.#adjustments.buffer);
  #asked = new Int32Array(256);
  #words: Int32Array;
  #tokenCount = 0;
  #requestCount = 0;
  #rowCount = 0;
  #entryCount = 0;
  #adjustmentCount = 0;
  #askedCount = 0;

  constructor(limits: ProgramLimits) {
    const { tokens, requests, rows, tableEntries } = limits;
    this.#limits = limits;
    this.#ids = new Int32Array(tokens);
    this.#begin = new Int32Array(requests + 1);
    this.#start = new Int32Array(requests);
    this.#pages = new Int32Array(requests + 1);
    this.#table = new Int32Array(tableEntries);
    this.#rows = new Int32Array(rows);
    this.#sampling = new Int32Array(rows * samplingWords);
    this.#samplingFloats = new Float32Array(this.#sampling.buffer);
    const arrays = tokens + 3 * requests + 2 + tableEntries + rows * (1 + samplingWords);
    this.#words = new Int32Array(stepHeaderWords + arrays);
  }

  /** The packed step after `finish`, and until the next. */
  get words(): Int32Array {
    return this.#words;
  }

  get tokenCount(): number {
    return this.#tokenCount;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  reset(): void {
    this.#tokenCount = this.#requestCount = this.#rowCount = this.#entryCount = 0;
    this.#adjustmentCount = this.#askedCount = 0;
  }

  /**
   * Begins the next request: its ids follow. `start` is the position of its first id in this step; the first
   * `pageCount` entries of `pages` are its page table from position 0, covering all its positions. With `group`
   * above 1 each entry stands for so many pages that follow each other in the pool.
   */
  addRequest(start: number, pages: ArrayLike<number>, pageCount: number, group = 1): void {
    this.#room("requests", this.#requestCount, 1, this.#limits.requests);
    this.#room("page-table entries", this.#entryCount, pageCount, this.#limits.tableEntries);
    this.#begin[this.#requestCount] = this.#tokenCount;
    this.#pages[this.#requestCount] = this.#entryCount;
    this.#start[this.#requestCount] = start;
    this.#requestCount++;
    for (let i = 0; i < pageCount; i++) {
      this.#table[this.#entryCount++] = pages[Math.floor(i / group)]! * group + (i % group);
    }
  }

  addId(id: number): void {
    this.#room("tokens", this.#tokenCount, 1, this.#limits.tokens);
    this.#ids[this.#tokenCount++] = id;
  }

  /** ids[from .. to) */
  addIds(ids: ArrayLike<number>, from: number, to: number): void {
    this.#room("tokens", this.#tokenCount, to - from, this.#limits.tokens);
    for (let i = from; i < to; i++) this.#ids[this.#tokenCount++] = ids[i]!;
  }

  /** The token that row `row` of the preceding step draws, which the host need not know yet. */
  addSampledId(row: number): void {
    this.addId(-1 - row);
  }

  /**
   * A logits row for the last id: draws a token. `position` is that of the drawn token; with the seed it keys
   * the draw. `topCount` alternatives (0 .. topMax) are reported; logprobs with `logprobs` or topCount > 0.
   */
  addDraw(params: DrawParams, position: number, topCount = 0, logprobs = topCount > 0): void {
    const { temperature, topP, topK, minP, seed } = params;
    const at = this.#addRow(none, topCount, logprobs);
    this.#samplingFloats[at + 1] = temperature < greedyBelow ? 0 : finite(temperature);
    this.#samplingFloats[at + 2] = positive(topP);
    this.#samplingFloats[at + 3] = minP;
    this.#sampling[at + 4] = topK === -1 ? noLimit : Math.min(topK, noLimit);
    this.#sampling[at + 5] = (seed % 2 ** 32) | 0;
    this.#sampling[at + 6] = Math.floor(seed / 2 ** 32);
    this.#sampling[at + 7] = position;
  }

  /** A logits row for the last id: no draw, reports the logprob of `token` (prompt logprobs). */
  addTarget(token: number, topCount = 0): void {
    const at = this.#addRow(token, topCount, true);
    this.#samplingFloats[at + 1] = 0;
    this.#samplingFloats[at + 2] = 1;
    this.#samplingFloats[at + 3] = 0;
    this.#sampling[at + 4] = noLimit;
    this.#sampling.fill(0, at + 5, at + 8);
  }

  /**
   * Adjusts the logits of the last row. The token that row `pendingRow` of the preceding step draws, which the host
   * need not know yet, is counted as one more; -1: none is.
   */
  adjustRow(adjustment: RowAdjustment, pendingRow = none): void {
    const { counts, countedTokens, biases } = adjustment;
    const pending = pendingRow === none ? 0 : 1;
    const at = this.#adjustmentCount;
    const countsAt = at + adjustWords + 2 * pending;
    const biasesAt = countsAt + 2 * countedTokens;
    this.#adjustmentCount = biasesAt + biases.length;
    this.#reserveAdjustments(this.#adjustmentCount);
    const [words, floats] = [this.#adjustments, this.#adjustmentFloats];
    words[at] = this.#rowCount - 1;
    floats[at + 1] = adjustment.frequencyPenalty;
    floats[at + 2] = adjustment.presencePenalty;
    floats[at + 3] = positive(adjustment.repetitionPenalty);
    words[at + 4] = countedTokens + pending;
    words[at + 5] = biases.length / 2;
    if (pending) {
      words[countsAt - 2] = -1 - pendingRow;
      words[countsAt - 1] = 1;
    }
    words.set(counts.subarray(0, 2 * countedTokens), countsAt);
    words.set(biases, biasesAt);
  }

  /** Asks for the logprobs of 1 to askedMax tokens at the last row; the row's own is reported with them. */
  askRow(tokens: ArrayLike<number>): void {
    const at = this.#askedCount;
    this.#askedCount = at + askedWords + tokens.length;
    if (this.#askedCount > this.#asked.length) {
      const larger = new Int32Array(2 * this.#askedCount);
      larger.set(this.#asked);
      this.#asked = larger;
    }
    this.#asked[at] = this.#rowCount - 1;
    this.#asked[at + 1] = tokens.length;
    this.#asked.set(tokens, at + askedWords);
  }

  /** Packs the step into `words`; returns how many it takes. */
  finish(): number {
    const [T, R, L, W] = [this.#tokenCount, this.#requestCount, this.#rowCount, this.#entryCount];
    const [A, Q] = [this.#adjustmentCount, this.#askedCount];
    const count = stepHeaderWords + T + (R + 1) + R + (R + 1) + W + L * (1 + samplingWords) + A + Q;
    this.#begin[R] = T;
    this.#pages[R] = W;
    if (count > this.#words.length) this.#words = new Int32Array(2 * count);
    const words = this.#words;
    words[0] = abiVersion;
    words[1] = T;
    words[2] = R;
    words[3] = L;
    words[4] = W;
    words[5] = A;
    words[6] = Q;
    words[7] = 0;
    let at = stepHeaderWords;
    const put = (array: Int32Array, length: number) => {
      words.set(array.subarray(0, length), at);
      at += length;
    };
    put(this.#ids, T);
    put(this.#begin, R + 1);
    put(this.#start, R);
    put(this.#pages, R + 1);
    put(this.#table, W);
    put(this.#rows, L);
    put(this.#sampling, L * samplingWords);
    put(this.#adjustments, A);
    put(this.#asked, Q);
    return count;
  }

  /** Words 0, 8 and 9 of a row; returns where its words begin. */
  #addRow(target: number, topCount: number, logprobs: boolean): number {
    this.#room("logits rows", this.#rowCount, 1, this.#limits.rows);
    const at = this.#rowCount * samplingWords;
    this.#rows[this.#rowCount++] = this.#tokenCount - 1;
    this.#sampling[at] = target;
    this.#sampling[at + 8] = topCount;
    this.#sampling[at + 9] = Number(logprobs);
    return at;
  }

  #reserveAdjustments(words: number): void {
    if (words <= this.#adjustments.length) return;
    const larger = new Int32Array(2 * words);
    larger.set(this.#adjustments);
    this.#adjustments = larger;
    this.#adjustmentFloats = new Float32Array(larger.buffer);
  }

  #room(what: string, used: number, more: number, limit: number): void {
    if (used + more > limit) throw new RangeError(`step: ${used + more} ${what}, limit ${limit}`);
  }
}

/** The answers of a step, row by row in the order they were added. Filled by `Program.wait`. */
export class StepResults {
  /** As sb_wait writes them. */
  readonly words: Int32Array;
  readonly #floats: Float32Array;
  /** Where the alternatives of each row begin. */
  readonly #top: Int32Array;
  #rowCount = 0;

  constructor(limits: ProgramLimits) {
    this.words = new Int32Array(limits.rows * (resultWords + 2 * (topMax + askedMax)));
    this.#floats = new Float32Array(this.words.buffer);
    this.#top = new Int32Array(limits.rows + 1);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Indexes the `count` words that sb_wait has written. */
  load(count: number): void {
    let at = 0;
    for (let row = 0; at < count; row++) {
      // Rows come first, then all alternatives: the words add up to `count` exactly at the last row.
      at += resultWords + 2 * (this.topCount(row) + this.askedCount(row));
      this.#rowCount = row + 1;
    }
    if (count === 0) this.#rowCount = 0;
    this.#top[0] = this.#rowCount * resultWords;
    for (let row = 0; row < this.#rowCount; row++) {
      this.#top[row + 1] = this.#top[row]! + 2 * (this.topCount(row) + this.askedCount(row));
    }
  }

  /** The token, or -1 if the logits of the row were not finite (only this row is affected). */
  token(row: number): number {
    return this.words[row * resultWords]!;
  }

  /** Natural logarithm; NaN if it was not asked for. */
  logprob(row: number): number {
    return this.#floats[row * resultWords + 1]!;
  }

  topCount(row: number): number {
    return this.words[row * resultWords + 2]!;
  }

  /** Token of alternative `i`, most likely first. */
  topToken(row: number, i: number): number {
    return this.words[this.#top[row]! + 2 * i]!;
  }

  topLogprob(row: number, i: number): number {
    return this.#floats[this.#top[row]! + 2 * i + 1]!;
  }

  /** Tokens that the row was asked for by name. */
  askedCount(row: number): number {
    return this.words[row * resultWords + 3]!;
  }

  /** Asked token `i`, in the order of `askRow`. */
  askedToken(row: number, i: number): number {
    return this.topToken(row, this.topCount(row) + i);
  }

  askedLogprob(row: number, i: number): number {
    return this.topLogprob(row, this.topCount(row) + i);
  }
}
