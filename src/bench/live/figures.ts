/**
 * Counts a run while it goes on. A request that ends costs a few additions, and a histogram's for each of its gaps;
 * everything else is computed when somebody looks.
 */
import type { LoadProgress } from "../load.ts";
import type { RequestRecord } from "../request.ts";
import { Histogram } from "../statistics/histogram.ts";
import { Growth } from "./growth.ts";
import type { LiveState, Quantiles } from "./state.ts";

export interface LivePlan {
  /** Requests; Infinity where only the time to send in is known. */
  readonly total: number;
  /** When the last request is due; Infinity like `total`. */
  readonly lastDueS: number;
  readonly sendForS: number;
  readonly graceS: number;
  /** Output tokens that all requests ask for together. */
  readonly tokens: number;
  /** The first gap of a request is its time to the first token (bench_serving up to 0.2.11). */
  readonly gapBeforeFirst: boolean;
}

export class LiveFigures {
  readonly #plan: LivePlan;
  readonly #ttft = new Histogram();
  readonly #itl = new Histogram();
  readonly #requests = new Growth();
  readonly #tokens = new Growth();
  #ended = 0;
  #done = 0;
  #failed = 0;
  #latenciesS = 0;
  /** Of all that have ended. */
  #asked = 0;
  #got = 0;
  /** Of those that have ended well. */
  #askedOfDone = 0;
  #gotOfDone = 0;
  #eventsOfDone = 0;

  constructor(plan: LivePlan) {
    this.#plan = plan;
  }

  /** Takes a request that has ended. */
  end(record: RequestRecord): void {
    const { ttftS, itlsS, usage, outputLen } = record;
    const { gapBeforeFirst } = this.#plan;
    const events = ttftS === 0 ? 0 : itlsS.length + (gapBeforeFirst ? 0 : 1);
    const got = usage?.completionTokens ?? events;
    this.#ended++;
    this.#asked += outputLen;
    this.#got += got;
    if (record.failure) {
      if (record.failure.class !== "interrupted") this.#failed++;
      return;
    }
    this.#done++;
    this.#latenciesS += record.latencyS;
    this.#askedOfDone += outputLen;
    this.#gotOfDone += got;
    this.#eventsOfDone += events;
    if (ttftS > 0) this.#ttft.add([ttftS]);
    this.#itl.add(gapBeforeFirst ? itlsS.slice(1) : itlsS);
  }

  /** The state `elapsedS` after the start, which ascends; null: the run is over. */
  state(elapsedS: number, progress: LoadProgress | null): LiveState {
    const { total } = this.#plan;
    const sent = progress?.sent ?? this.#ended;
    const tokens = this.#got + this.#tokensOf(progress?.openLines ?? 0);
    this.#requests.take(elapsedS, this.#ended);
    this.#tokens.take(elapsedS, tokens);
    return {
      over: progress === null,
      sent,
      running: Math.max(0, sent - this.#ended),
      done: this.#done,
      failed: this.#failed,
      givenUp: this.#ended - this.#done - this.#failed,
      total: Number.isFinite(total) ? total : null,
      elapsedS: toMilli(elapsedS),
      leftS: progress === null ? 0 : this.#leftS(elapsedS, tokens - this.#got),
      requests: this.#requests.rates(elapsedS),
      tokens: this.#tokens.rates(elapsedS),
      ttft: quantiles(this.#ttft),
      itl: quantiles(this.#itl),
      series: null,
    };
  }

  /** Events may carry several tokens: as many as those of requests that have ended. */
  #tokensOf(lines: number): number {
    return this.#eventsOfDone > 0 ? (lines * this.#gotOfDone) / this.#eventsOfDone : lines;
  }

  #leftS(elapsedS: number, openTokens: number): number | null {
    const { total, sendForS } = this.#plan;
    if (this.#ended === total) return 0;
    const byTime = this.#arrivalsLeftS(elapsedS);
    if (Number.isFinite(sendForS)) return toMilli(byTime);
    const byWork = this.#workLeftS(openTokens);
    if (byWork !== null) return toMilli(Math.max(byTime, byWork));
    return byTime > 0 ? toMilli(byTime) : null;
  }

  /** Up to the last request's time, and what a request takes. */
  #arrivalsLeftS(elapsedS: number): number {
    const { lastDueS, sendForS, graceS } = this.#plan;
    const latencyS = this.#done > 0 ? this.#latenciesS / this.#done : 0;
    return Math.max(0, Math.min(lastDueS, sendForS) + Math.min(graceS, latencyS) - elapsedS);
  }

  /** What is still to come of the tokens that were asked for, at the rate of late. */
  #workLeftS(openTokens: number): number | null {
    const rate = this.#tokens.recent;
    // Where most requests fail, tokens say nothing of what is left.
    if (rate === null || this.#failed > this.#done) return null;
    const share = this.#askedOfDone > 0 ? this.#gotOfDone / this.#askedOfDone : 1;
    return Math.max(0, (this.#plan.tokens - this.#asked) * share - openTokens) / rate;
  }
}

function quantiles(histogram: Histogram): Quantiles | null {
  if (histogram.count === 0) return null;
  const ms = (percent: number): number =>
    Number((histogram.percentile(percent) * 1000).toPrecision(4));
  return { p50: ms(50), p99: ms(99) };
}

const toMilli = (seconds: number): number => Math.round(seconds * 1000) / 1000;
