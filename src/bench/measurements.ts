/**
 * What is kept of a run: a few numbers a request in columns, by index, and the gaps between tokens. Texts are not kept.
 * A million requests take 77 MB and their gaps at most 192 MB: the gaps beyond that are counted in a histogram.
 */
import { statusOf, type Failure, type RequestRecord } from "./request.ts";
import { Histogram, histogramError } from "./statistics/histogram.ts";
import { Samples } from "./statistics/samples.ts";

/** 128 MB of doubles, and half as much again at most while the list grows. */
const gapsKeptMax = 1 << 24;

/** By place in this list: what the column `outcome` holds. */
const outcomes = ["not ended", "ok", "short output", "failed", "incomplete"] as const;
export type Outcome = (typeof outcomes)[number];

export interface MeasurementOptions {
  /** The time to the first token counts as a gap too (bench_serving up to 0.2.11). */
  readonly gapBeforeFirst: boolean;
  /** Every request asks the server for exactly its `outputLen` tokens. */
  readonly exactOutput: boolean;
  /** Gaps beyond so many go to a histogram. */
  readonly gapsKept?: number;
}

export class Measurements {
  /** Requests that there may be; the length of every column. */
  readonly planned: number;
  readonly scheduledS: Float64Array;
  readonly sentS: Float64Array;
  /** From the send; 0 without a token. */
  readonly ttftS: Float64Array;
  /** From the send. */
  readonly latencyS: Float64Array;
  readonly promptLen: Int32Array;
  /** Tokens asked for. */
  readonly outputLen: Int32Array;
  /** Tokens by the server's count; -1 without one. */
  readonly reported: Int32Array;
  readonly retokenized: Int32Array;
  /** Events that carried text. */
  readonly events: Int32Array;
  /** Sum of the gaps between events, without the time to the first. */
  readonly gapSumS: Float64Array;
  /** Failures by class, those that were given up included. */
  readonly failures: Record<string, number> = {};
  /** A message of each class. */
  readonly failureExamples: Record<string, string> = {};
  readonly options: MeasurementOptions;
  readonly #outcome: Uint8Array;
  readonly #gapsFrom: Float64Array;
  readonly #gapsKept: number;
  /** Of successful requests, in order of ending. */
  #gaps = new Samples();
  #histogram: Histogram | null = null;
  #ended = 0;

  constructor(planned: number, options: MeasurementOptions) {
    const doubles = (): Float64Array => new Float64Array(planned);
    const counts = (): Int32Array => new Int32Array(planned);
    this.planned = planned;
    this.options = options;
    this.scheduledS = doubles();
    this.sentS = doubles();
    this.ttftS = doubles();
    this.latencyS = doubles();
    this.gapSumS = doubles();
    this.promptLen = counts();
    this.outputLen = counts();
    this.reported = counts();
    this.retokenized = counts();
    this.events = counts();
    this.#outcome = new Uint8Array(planned);
    this.#gapsFrom = doubles();
    this.#gapsKept = options.gapsKept ?? gapsKeptMax;
  }

  /** Takes a request that has ended; `retokenized` is the length of its text in tokens. */
  add(record: RequestRecord, retokenized: number): void {
    const { index: i, itlsS, failure } = record;
    const before = this.options.gapBeforeFirst ? Math.min(1, itlsS.length) : 0;
    this.scheduledS[i] = record.scheduledS;
    this.sentS[i] = record.sentS;
    this.ttftS[i] = record.ttftS;
    this.latencyS[i] = record.latencyS;
    this.promptLen[i] = record.promptLen;
    this.outputLen[i] = record.outputLen;
    this.reported[i] = record.usage?.completionTokens ?? -1;
    this.retokenized[i] = retokenized;
    this.events[i] = record.ttftS > 0 ? itlsS.length - before + 1 : 0;
    for (let k = before; k < itlsS.length; k++) this.gapSumS[i]! += itlsS[k]!;
    this.#outcome[i] = outcomes.indexOf(this.#judge(record));
    this.#ended++;
    if (failure) this.#countFailure(failure);
    else this.#keepGaps(i, itlsS);
  }

  /** Requests that have ended. */
  get ended(): number {
    return this.#ended;
  }

  outcome(index: number): Outcome {
    return outcomes[this.#outcome[index]!]!;
  }

  /** Indices of requests with one of these outcomes, in order of sending. */
  indices(...wanted: readonly Outcome[]): Int32Array {
    const codes = wanted.map((outcome) => outcomes.indexOf(outcome));
    const found = new Int32Array(this.planned);
    let count = 0;
    for (let i = 0; i < this.planned; i++)
      if (codes.includes(this.#outcome[i]!)) found[count++] = i;
    return found.slice(0, count);
  }

  /** Tokens of the reply: by the server's count, else by tokenizing its text. */
  tokens(index: number): number {
    return this.reported[index]! >= 0 ? this.reported[index]! : this.retokenized[index]!;
  }

  /** Gaps between events of bench_serving's rule that a request has. */
  gapCount(index: number): number {
    return Math.max(0, this.events[index]! - (this.options.gapBeforeFirst ? 0 : 1));
  }

  /** All gaps of successes; in place of `gapsOf` where they were too many to be kept. */
  get histogram(): Histogram | null {
    return this.#histogram;
  }

  /** Known relative error of the quantiles of gaps: 0 where all are kept. */
  get gapError(): number {
    return this.#histogram ? histogramError : 0;
  }

  /** The gaps of a success; valid until the next is added. Empty where they went to the histogram. */
  gapsOf(index: number): Float64Array {
    const from = this.#gapsFrom[index]!;
    if (this.#histogram) return new Float64Array();
    return this.#gaps.values().subarray(from, from + this.gapCount(index));
  }

  /** Of all that grows with the run. */
  get byteLength(): number {
    const columns = [this.scheduledS, this.sentS, this.ttftS, this.latencyS, this.gapSumS];
    const counts = [this.promptLen, this.outputLen, this.reported, this.retokenized, this.events];
    return [
      ...columns,
      ...counts,
      this.#outcome,
      this.#gapsFrom,
      this.#gaps,
      this.#histogram,
    ].reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
  }

  #judge(record: RequestRecord): Outcome {
    const status = statusOf(record);
    if (status !== "ok" || !this.options.exactOutput) return status;
    return this.#isShort(record.index) ? "short output" : "ok";
  }

  /**
   * Tokenizing a text again is not exact and an event may carry several tokens, so that without the server's count
   * only what is a tenth short of what was asked for counts as short.
   */
  #isShort(i: number): boolean {
    const asked = this.outputLen[i]!;
    if (this.reported[i]! >= 0) return this.reported[i]! < asked;
    return Math.max(this.events[i]!, this.retokenized[i]!) < 0.9 * asked;
  }

  #countFailure({ class: name, message }: Failure): void {
    this.failures[name] = (this.failures[name] ?? 0) + 1;
    this.failureExamples[name] ??= message;
  }

  #keepGaps(index: number, gapsS: readonly number[]): void {
    if (!this.#histogram && this.#gaps.length + gapsS.length > this.#gapsKept) {
      this.#histogram = new Histogram();
      this.#histogram.add(this.#gaps.values());
      this.#gaps = new Samples(0);
    }
    if (this.#histogram) this.#histogram.add(gapsS);
    else {
      this.#gapsFrom[index] = this.#gaps.length;
      this.#gaps.append(gapsS);
    }
  }
}
