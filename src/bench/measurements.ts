/**
 * What is kept of a run: a few numbers a request in columns, by index, and the gaps between tokens. Texts are not kept.
 * A million requests take 77 MB and their gaps at most 256 MB: the gaps beyond that are counted in a histogram.
 * compare and report read records back into the same columns.
 */
import type { Failure, RequestRecord } from "./request.ts";
import { Histogram, histogramError } from "./statistics/histogram.ts";
import { Samples } from "./statistics/samples.ts";

/** 128 MB of doubles, and as much again at most while the list grows. */
const gapsKeptMax = 1 << 24;

/** By place in this list: what the column `outcome` holds. */
export const outcomes = ["not ended", "ok", "short output", "failed", "incomplete"] as const;
export type Outcome = (typeof outcomes)[number];

/** What of a request is kept, or decides how it is judged. */
export type MeasuredRequest = Pick<
  RequestRecord,
  | "index"
  | "promptLen"
  | "outputLen"
  | "scheduledS"
  | "readyS"
  | "sentS"
  | "ttftS"
  | "latencyS"
  | "endedS"
  | "itlsS"
  | "usage"
  | "failure"
>;

export interface MeasurementOptions {
  /** The time to the first token counts as a gap too (bench_serving up to 0.2.11). */
  readonly gapBeforeFirst: boolean;
  /** Every request asks the server for exactly its `outputLen` tokens. */
  readonly exactOutput: boolean;
  /** Gaps beyond so many go to a histogram. */
  readonly gapsKept?: number;
}

/** Columns by their names; all as long as the greatest index needs. */
interface Columns {
  scheduledS: Float64Array;
  sentS: Float64Array;
  /** Send after the time at which it could be sent. */
  lateS: Float64Array;
  /** From the send; 0 without a token. */
  ttftS: Float64Array;
  /** From the send to the last line of the reply. */
  latencyS: Float64Array;
  /** From the send to the end of the exchange. */
  endedS: Float64Array;
  /** Where the gaps begin in the list of all. */
  gapsFrom: Float64Array;
  promptLen: Int32Array;
  /** Tokens asked for. */
  outputLen: Int32Array;
  /** Tokens by the server's count; -1 without one. */
  reported: Int32Array;
  retokenized: Int32Array;
  /** Events that carried text. */
  events: Int32Array;
  outcome: Uint8Array;
}

function emptyColumns(length: number): Columns {
  const doubles = (): Float64Array => new Float64Array(length);
  const counts = (): Int32Array => new Int32Array(length);
  return {
    scheduledS: doubles(),
    sentS: doubles(),
    lateS: doubles(),
    ttftS: doubles(),
    latencyS: doubles(),
    endedS: doubles(),
    gapsFrom: doubles(),
    promptLen: counts(),
    outputLen: counts(),
    reported: counts(),
    retokenized: counts(),
    events: counts(),
    outcome: new Uint8Array(length),
  };
}

const none = new Float64Array();

interface Sized {
  readonly byteLength: number;
}

export class Measurements {
  /** Failures by class, those that were given up included. */
  readonly failures: Record<string, number> = {};
  /** A message of each class. */
  readonly failureExamples: Record<string, string> = {};
  readonly options: MeasurementOptions;
  readonly #gapsKept: number;
  #columns: Columns;
  #length: number;
  /** Of successful requests, in order of ending. */
  #gaps = new Samples();
  #histogram: Histogram | null = null;
  #ended = 0;

  /** @param expected Requests that there will be; Infinity where that is not known. */
  constructor(expected: number, options: MeasurementOptions) {
    this.#length = Number.isFinite(expected) ? expected : 1024;
    this.#columns = emptyColumns(this.#length);
    this.options = options;
    this.#gapsKept = options.gapsKept ?? gapsKeptMax;
  }

  /** What is known of each request, by its index. Valid until the next is added. */
  get columns(): Readonly<Columns> {
    return this.#columns;
  }

  /**
   * Takes a request that has ended.
   * @param retokenized The length of its text in tokens.
   * @param judged Its outcome, where that is known from before.
   */
  add(record: MeasuredRequest, retokenized: number, judged?: Outcome): void {
    const { index: i, failure } = record;
    if (i >= this.#length) this.#growTo(Math.max(i + 1, 2 * this.#length));
    const c = this.#columns;
    c.scheduledS[i] = record.scheduledS;
    c.sentS[i] = record.sentS;
    // Never early; rounding may say so.
    c.lateS[i] = Math.max(0, record.sentS - record.readyS);
    c.ttftS[i] = record.ttftS;
    c.latencyS[i] = record.latencyS;
    c.endedS[i] = record.endedS;
    c.promptLen[i] = record.promptLen;
    c.outputLen[i] = record.outputLen;
    c.reported[i] = record.usage?.completionTokens ?? -1;
    c.retokenized[i] = retokenized;
    c.events[i] = this.#eventsOf(record);
    const outcome = judged ?? this.#judge(record);
    c.outcome[i] = outcomes.indexOf(outcome);
    this.#ended++;
    if (failure) this.#countFailure(failure);
    if (outcome === "ok" || outcome === "short output") this.#keepGaps(i, record.itlsS);
  }

  /** Requests that have ended. */
  get ended(): number {
    return this.#ended;
  }

  outcome(index: number): Outcome {
    return outcomes[this.#columns.outcome[index] ?? 0]!;
  }

  /** Indices of requests with one of these outcomes, in order of sending; of all that have ended if none is named. */
  indices(...wanted: readonly Outcome[]): Int32Array {
    const named = wanted.length > 0 ? wanted : outcomes.slice(1);
    const isWanted = outcomes.map((outcome) => named.includes(outcome));
    const { outcome } = this.#columns;
    const found = new Int32Array(outcome.reduce((sum, code) => sum + Number(isWanted[code]), 0));
    let count = 0;
    for (let i = 0; count < found.length; i++) if (isWanted[outcome[i]!]) found[count++] = i;
    return found;
  }

  /**
   * Tokens of the reply: by the server's count; else those asked for where each came as an event of its own; else by
   * tokenizing its text, which need not give the tokens that made it.
   */
  tokens(index: number): number {
    const { reported, retokenized, events, outputLen } = this.#columns;
    if (reported[index]! >= 0) return reported[index]!;
    return events[index] === outputLen[index] ? outputLen[index]! : retokenized[index]!;
  }

  /** Gaps between events of bench_serving's rule that a request has. */
  gapCount(index: number): number {
    return Math.max(0, this.#columns.events[index]! - (this.options.gapBeforeFirst ? 0 : 1));
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
    return this.#gapsFrom(index, 0);
  }

  /** The gaps between events alone: without the time to the first, where that counts as a gap. */
  ownGapsOf(index: number): Float64Array {
    return this.#gapsFrom(index, this.options.gapBeforeFirst ? 1 : 0);
  }

  #gapsFrom(index: number, first: number): Float64Array {
    const count = this.gapCount(index);
    if (this.#histogram || count <= first) return none;
    const from = this.#columns.gapsFrom[index]!;
    return this.#gaps.values(from + first, from + count);
  }

  /** Of all that grows with the run. */
  get byteLength(): number {
    const parts = [...Object.values(this.#columns), this.#gaps, this.#histogram];
    return parts.reduce((sum: number, part: Sized | null) => sum + (part?.byteLength ?? 0), 0);
  }

  #growTo(length: number): void {
    const grown = emptyColumns(length);
    for (const [name, column] of Object.entries(this.#columns)) {
      grown[name as keyof Columns].set(column as Float64Array);
    }
    this.#columns = grown;
    this.#length = length;
  }

  #eventsOf({ ttftS, itlsS }: MeasuredRequest): number {
    if (ttftS === 0) return 0;
    return itlsS.length + (this.options.gapBeforeFirst ? 0 : 1);
  }

  #judge(record: MeasuredRequest): Outcome {
    const { failure, index } = record;
    if (failure) return failure.class === "interrupted" ? "incomplete" : "failed";
    return this.options.exactOutput && this.#isShort(index) ? "short output" : "ok";
  }

  /**
   * Tokenizing a text again is not exact and an event may carry several tokens, so that without the server's count
   * only what is a tenth short of what was asked for counts as short.
   */
  #isShort(i: number): boolean {
    const { outputLen, reported, retokenized, events } = this.#columns;
    if (reported[i]! >= 0) return reported[i]! < outputLen[i]!;
    return Math.max(events[i]!, retokenized[i]!) < 0.9 * outputLen[i]!;
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
      this.#columns.gapsFrom[index] = this.#gaps.length;
      this.#gaps.append(gapsS);
    }
  }
}
