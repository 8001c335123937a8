/** What there is to be seen of a run while it goes on, as plain JSON: numbers that are not known are null. */

export interface LiveState {
  /** The last state of a run. */
  readonly over: boolean;
  readonly sent: number;
  readonly running: number;
  /** Ended well. */
  readonly done: number;
  readonly failed: number;
  /** By this client, on Ctrl-C or when the time was over. */
  readonly givenUp: number;
  /** Requests that there will be. */
  readonly total: number | null;
  readonly elapsedS: number;
  /** An estimate. */
  readonly leftS: number | null;
  /** Requests that ended. */
  readonly requests: Rates;
  /** Output tokens; those of replies that have not ended are events. */
  readonly tokens: Rates;
  /** Of successes that have ended. */
  readonly ttft: Quantiles | null;
  /** Between events. */
  readonly itl: Quantiles | null;
  /** What the run is one of. */
  readonly series: Series | null;
}

/** A second. */
export interface Rates {
  /** Over the last seconds. */
  readonly now: number;
  /** Over the whole run so far. */
  readonly mean: number;
  /** The last half minute, in samples of half a second. */
  readonly history: readonly number[];
}

/** Milliseconds. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

/** A run's place among others: cells of a grid, tries of a search, recipes. */
export interface Series {
  /** From 1. */
  readonly at: number;
  /** null: nobody knows yet. */
  readonly of: number | null;
  readonly name: string;
  /** What the runs after this one will take. */
  readonly restS: number | null;
}
