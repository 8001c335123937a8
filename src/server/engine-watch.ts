/**
 * Follows the engine's totals from step to step: throughput and host time of late, and SGLang's two log lines. A
 * prefill line gathers what ran within a tenth of a second, a decode line what ran in a number of decode steps.
 */
import type { Engine, EngineLoad } from "../engine/api.ts";
import { idleLoad } from "../engine/totals.ts";
import type { Log } from "./log.ts";

const prefillGatherMs = 100;

export class EngineWatch {
  readonly replicas: readonly ReplicaWatch[];

  /** @param decodeLogInterval Decode steps from line to line. */
  constructor(engine: Engine, log: Log, decodeLogInterval: number) {
    const loads = engine.loads();
    this.replicas = loads.map((_, replica) => {
      const prefix = loads.length > 1 ? `DP${replica} ` : "";
      const say = (line: string) => log("info", prefix + line);
      return new ReplicaWatch(engine.limits.maxTotalTokens, say, decodeLogInterval);
    });
    engine.observe((load, replica) => this.replicas[replica]!.step(load));
  }

  /** Says what has been gathered. */
  close(): void {
    for (const replica of this.replicas) replica.close();
  }
}

export class ReplicaWatch {
  /** Tokens per second in the last window; 0 while nothing runs. */
  genThroughput = 0;
  /** The same, kept while nothing runs. */
  lastGenThroughput = 0;
  /** Of the last prefill line, 0 to 1. */
  cacheHitRate = 0;
  /** Time that the device waited between steps in the last window, in microseconds per step. */
  recentIdleUsPerStep = 0;
  readonly #maxTotalTokens: number;
  readonly #say: (line: string) => void;
  readonly #decodeLogInterval: number;
  #last: EngineLoad = idleLoad;
  #lastMs = 0;
  #window = { steps: 0, decodeSteps: 0, tokens: 0, idleUs: 0, busyMs: 0 };
  #prefill = { sequences: 0, computed: 0, cached: 0 };
  #timer: NodeJS.Timeout | null = null;

  constructor(maxTotalTokens: number, say: (line: string) => void, decodeLogInterval: number) {
    this.#maxTotalTokens = maxTotalTokens;
    this.#say = say;
    this.#decodeLogInterval = decodeLogInterval;
  }

  step(load: EngineLoad, nowMs = performance.now()): void {
    const { totals: before } = this.#last;
    const { totals } = load;
    const prefill = this.#prefill;
    prefill.sequences += totals.admissions - before.admissions;
    prefill.computed += totals.prefillTokens - before.prefillTokens;
    prefill.cached += totals.cachedTokens - before.cachedTokens;
    if (this.#timer === null && prefill.sequences + prefill.computed > 0) {
      this.#timer = setTimeout(() => this.#endPrefill(), prefillGatherMs);
      this.#timer.unref();
    }
    const window = this.#window;
    const tokens = totals.generatedTokens - before.generatedTokens;
    window.steps += totals.steps - before.steps;
    window.idleUs += totals.idleUs - before.idleUs;
    if (tokens > 0) window.decodeSteps += totals.steps - before.steps;
    // The time before the first step of a burst is not the engine's.
    if (this.#last.running > 0) {
      window.tokens += tokens;
      window.busyMs += nowMs - this.#lastMs;
    }
    this.#last = load;
    this.#lastMs = nowMs;
    if (window.decodeSteps >= this.#decodeLogInterval) this.#endWindow();
    if (load.running + load.waiting === 0) this.genThroughput = 0;
  }

  close(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#endPrefill();
  }

  #endPrefill(): void {
    const { sequences, computed, cached } = this.#prefill;
    const { running, waiting } = this.#last;
    this.#timer = null;
    this.#prefill = { sequences: 0, computed: 0, cached: 0 };
    this.cacheHitRate = cached / Math.max(cached + computed, 1);
    this.#say(
      `Prefill batch. #new-seq: ${sequences}, #new-token: ${computed}, #cached-token: ${cached}, ` +
        `cache hit rate: ${(100 * this.cacheHitRate).toFixed(2)}%, #running-req: ${running}, #queue-req: ${waiting}`,
    );
  }

  #endWindow(): void {
    const { steps, tokens, idleUs, busyMs } = this.#window;
    const { running, waiting, usedTokens } = this.#last;
    this.#window = { steps: 0, decodeSteps: 0, tokens: 0, idleUs: 0, busyMs: 0 };
    this.recentIdleUsPerStep = idleUs / steps;
    this.genThroughput = this.lastGenThroughput = busyMs > 0 ? (1000 * tokens) / busyMs : 0;
    this.#say(
      `Decode batch. #running-req: ${running}, #token: ${usedTokens}, ` +
        `token usage: ${(usedTokens / this.#maxTotalTokens).toFixed(2)}, ` +
        `gen throughput (token/s): ${this.genThroughput.toFixed(2)}, #queue-req: ${waiting}`,
    );
  }
}
