/** What the engine is doing, read when somebody asks, under SGLang's names: one series for each replica. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Engine, EngineLoad } from "../../engine/api.ts";
import type { EngineWatch } from "../engine-watch.ts";
import type { Labels } from "./histogram.ts";

interface Source {
  readonly engine: Engine;
  readonly watch: EngineWatch;
}
/** A value of one replica; `load` is its own. */
type Read = (load: EngineLoad, source: Source, replica: number) => number;

const gib = 2 ** 30;

const gauges: Readonly<Record<string, readonly [help: string, read: Read]>> = {
  num_running_reqs: ["Requests that run.", (load) => load.running],
  num_queue_reqs: ["Requests that wait.", (load) => load.waiting],
  num_used_tokens: ["Tokens of the KV pool that requests hold.", (load) => load.usedTokens],
  kv_used_tokens: ["Tokens of the KV pool that requests hold.", (load) => load.usedTokens],
  kv_evictable_tokens: [
    "Tokens of the KV pool that only the prefix cache holds.",
    (load) => load.evictableTokens,
  ],
  kv_available_tokens: [
    "Tokens of the KV pool that nothing holds.",
    (load, { engine }) => engine.limits.maxTotalTokens - load.usedTokens - load.evictableTokens,
  ],
  token_usage: ["Share of the KV pool that requests hold.", tokenUsage],
  full_token_usage: ["Share of the KV pool that requests hold.", tokenUsage],
  gen_throughput: [
    "Tokens per second, lately; 0 while nothing runs.",
    (_, { watch }, replica) => watch.replicas[replica]!.genThroughput,
  ],
  cache_hit_rate: [
    "Share of the latest prompt tokens that the prefix cache spared.",
    (_, { watch }, replica) => watch.replicas[replica]!.cacheHitRate,
  ],
  new_token_ratio: [
    "Share of the output they may still generate that running requests are charged at admission.",
    (load) => load.newTokenRatio,
  ],
  max_total_num_tokens: [
    "Tokens that the KV pool holds.",
    (_, { engine }) => engine.limits.maxTotalTokens,
  ],
  context_len: ["Most tokens of one request.", (_, { engine }) => engine.limits.contextLength],
  page_size: ["Tokens of a KV page.", (_, { engine }) => engine.limits.pageTokens],
  num_pages: [
    "Pages of the KV pool.",
    (_, { engine }) => engine.limits.maxTotalTokens / engine.limits.pageTokens,
  ],
  weight_memory_usage_gb: [
    "Size of the weights in GiB.",
    (_, { engine }) => engine.memory.weightBytes / gib,
  ],
  kv_cache_memory_usage_gb: [
    "Size of the KV pool in GiB.",
    (_, { engine }) => engine.memory.kvCacheBytes / gib,
  ],
};

const counters: Readonly<Record<string, readonly [help: string, read: Read]>> = {
  num_retracted_requests_total: [
    "Times that a running request had to give its pages back.",
    ({ totals }) => totals.retractions,
  ],
  evicted_tokens_total: [
    "Tokens that the prefix cache gave up to make room.",
    ({ totals }) => totals.evictedTokens,
  ],
};

const realtimeTokens: Readonly<Record<string, Read>> = {
  prefill_compute: ({ totals }) => totals.prefillTokens,
  prefill_cache: ({ totals }) => totals.cachedTokens,
  decode: ({ totals }) => totals.generatedTokens,
};

export function tokenUsage(load: EngineLoad, { engine }: Pick<Source, "engine">): number {
  return load.usedTokens / engine.limits.maxTotalTokens;
}

export function registerEngine(registry: Registry, source: Source, labels: Labels): void {
  const replicas = source.engine.loads().map((_, rank) => ({
    ...labels,
    tp_rank: "0",
    pp_rank: "0",
    moe_ep_rank: "0",
    ...(source.engine.loads().length > 1 ? { dp_rank: String(rank) } : {}),
  }));
  const labelNames = Object.keys(replicas[0]!);
  const valuesOf = (read: Read) =>
    source.engine.loads().map((load, i) => [replicas[i]!, read(load, source, i)] as const);

  for (const [name, [help, read]] of Object.entries(gauges)) {
    registry.registerMetric(
      new Gauge({
        name: `sglang:${name}`,
        help,
        labelNames,
        registers: [],
        collect() {
          for (const [own, value] of valuesOf(read)) this.set(own, value);
        },
      }),
    );
  }
  for (const [name, [help, read]] of Object.entries(counters)) {
    registry.registerMetric(
      new Counter({
        name: `sglang:${name}`,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const [own, value] of valuesOf(read)) this.inc(own, value);
        },
      }),
    );
  }
  registry.registerMetric(
    new Counter({
      name: "sglang:realtime_tokens_total",
      help: "Tokens computed, spared by the prefix cache, and generated.",
      labelNames: [...labelNames, "mode"],
      registers: [],
      collect() {
        this.reset();
        for (const [mode, read] of Object.entries(realtimeTokens))
          for (const [own, value] of valuesOf(read)) this.inc({ ...own, mode }, value);
      },
    }),
  );
}
