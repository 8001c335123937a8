/**
 * Takes requests as they end: counts the tokens of their texts, keeps their figures, writes their records and lets
 * them go. Tokenizing would compete with the measurement, so it waits for the end of the run, unless records are to be
 * written or the texts become too many to keep.
 */
import { runtime } from "../runtime/index.ts";
import type { Measurements } from "./measurements.ts";
import { recordLine, type RecordsFile, type RunLabel } from "./report/records.ts";
import type { RequestRecord } from "./request.ts";

/** What may wait to be tokenized, and be left behind before it is collected; about twice as many bytes. */
const waitingMax = 16_000_000;
/** While records are written, the thread is taken for at most `turnMs` at a time, a fifth of the time. */
const turnMs = 4;
const periodMs = 20;

export interface IntakeOptions {
  readonly measurements: Measurements;
  readonly countTokens: (text: string) => number;
  readonly records: { readonly file: RecordsFile; readonly label: RunLabel } | null;
  /** Keeps all records whole, too. */
  readonly keep: boolean;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  readonly #kept: RequestRecord[] = [];
  #waiting: RequestRecord[] = [];
  #next = 0;
  #size = 0;
  /** Of what has been let go and not been collected for certain. */
  #left = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    if (options.records) this.#timer = setInterval(() => this.#turn(), periodMs);
  }

  /** Records that wait to be tokenized. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  take(record: RequestRecord): void {
    this.#waiting.push(record);
    this.#size += sizeOf(record);
    if (this.#options.keep) this.#kept.push(record);
    while (this.#size > waitingMax) this.#settleNext();
  }

  /** Nothing more will come: settles what waits. Returns the records that were to be kept, in order of sending. */
  finish(): readonly RequestRecord[] {
    clearInterval(this.#timer);
    while (this.#next < this.#waiting.length) this.#settleNext();
    this.#options.records?.file.flush();
    return this.#kept.toSorted((a, b) => a.index - b.index);
  }

  #turn(): void {
    const untilMs = performance.now() + turnMs;
    while (this.#next < this.#waiting.length && performance.now() < untilMs) this.#settleNext();
    this.#options.records?.file.flushDue();
  }

  #settleNext(): void {
    const record = this.#waiting[this.#next++]!;
    const size = sizeOf(record);
    this.#size -= size;
    this.#left += size;
    if (this.#left > waitingMax) {
      this.#left = 0;
      runtime.collectGarbage();
    }
    if (2 * this.#next > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    const { measurements, countTokens, records } = this.#options;
    const retokenized = countTokens(record.text);
    measurements.add(record, retokenized);
    if (!records) return;
    const status = measurements.outcome(record.index);
    records.file.add(recordLine(record, retokenized, status, records.label));
  }
}

/** In characters: a gap takes eight bytes, and the rest of a record about 300. */
const sizeOf = ({ text, itlsS }: RequestRecord): number => text.length + 4 * itlsS.length + 150;
