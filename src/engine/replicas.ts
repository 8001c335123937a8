/** Data parallelism: several engines with the same model behind the interface of one. */
import { availableParallelism } from "node:os";
import type { ModelSource } from "../model/index.ts";
import type { Engine, EngineLoad, GenerateRequest, GenerateSink, LoadListener } from "./api.ts";
import { startEngine } from "./host.ts";
import { defaults, type EngineOptions } from "./options.ts";
import { addTotals } from "./totals.ts";

/** How requests are shared out: in turn, or to the replica with the fewest requests. */
export type LoadBalanceMethod = "round_robin" | "shortest_queue";

/**
 * Starts `count` engines, each with its share of the threads and of the memory.
 * @throws Error with a sentence if one does not start; none is left running then.
 */
export async function startReplicas(
  source: ModelSource,
  options: EngineOptions,
  count: number,
  method: LoadBalanceMethod,
): Promise<Engine> {
  const threads = options.threads ?? availableParallelism();
  const share: EngineOptions = {
    ...options,
    threads: Math.max(Math.floor(threads / count), 1),
    memFractionStatic: (options.memFractionStatic ?? defaults.memFractionStatic) / count,
  };
  const starts = Array.from({ length: count }, () => startEngine(source, share));
  const started = await Promise.allSettled(starts);
  const engines = started.filter((s) => s.status === "fulfilled").map((s) => s.value);
  const failed = started.find((s) => s.status === "rejected");
  if (failed) {
    await Promise.all(engines.map((engine) => engine.close()));
    throw failed.reason;
  }
  return new Replicas(engines, method);
}

class Replicas implements Engine {
  /** One replica less is a server that answers wrongly often: the first to end ends all. */
  readonly ended: Promise<string>;
  readonly #engines: readonly Engine[];
  readonly #method: LoadBalanceMethod;
  #next = 0;

  constructor(engines: readonly Engine[], method: LoadBalanceMethod) {
    this.#engines = engines;
    this.#method = method;
    this.ended = Promise.race(engines.map((engine) => engine.ended));
  }

  get limits() {
    return this.#engines[0]!.limits;
  }

  get memory() {
    return this.#engines[0]!.memory;
  }

  get device(): string {
    return `${this.#engines.length} replicas of ${this.#engines[0]!.device}`;
  }

  /** The number tells the replica: replica + count * (number there). */
  submit(request: GenerateRequest, sink: GenerateSink): number {
    const index = this.#choose();
    return this.#engines[index]!.submit(request, sink) * this.#engines.length + index;
  }

  abort(id: number): void {
    const count = this.#engines.length;
    this.#engines[id % count]!.abort(Math.floor(id / count));
  }

  load(): EngineLoad {
    return this.loads().reduce(addLoads);
  }

  loads(): readonly EngineLoad[] {
    return this.#engines.map((engine) => engine.load());
  }

  observe(listener: LoadListener): void {
    this.#engines.forEach((engine, replica) => engine.observe((load) => listener(load, replica)));
  }

  async flushCache(): Promise<boolean> {
    const flushed = await Promise.all(this.#engines.map((engine) => engine.flushCache()));
    return flushed.every(Boolean);
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  #choose(): number {
    const inTurn = this.#next;
    this.#next = (inTurn + 1) % this.#engines.length;
    if (this.#method === "round_robin") return inTurn;
    const queues = this.#engines.map((engine) => {
      const { running, waiting } = engine.load();
      return running + waiting;
    });
    return queues.indexOf(Math.min(...queues));
  }
}

function addLoads(a: EngineLoad, b: EngineLoad): EngineLoad {
  return {
    running: a.running + b.running,
    waiting: a.waiting + b.waiting,
    usedTokens: a.usedTokens + b.usedTokens,
    evictableTokens: a.evictableTokens + b.evictableTokens,
    newTokenRatio: Math.max(a.newTokenRatio, b.newTokenRatio),
    totals: addTotals(a.totals, b.totals),
  };
}
