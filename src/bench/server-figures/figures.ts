/** What servers say about themselves, under one name whatever the engine calls it. */
import { float } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { Sample } from "./prometheus.ts";

interface Meaning {
  /** Engines' names for it; the first that a server has counts. */
  readonly names: readonly string[];
  /** Of several (replicas, sources): their sum, or their mean for shares. */
  readonly of: "sum" | "mean";
}

/** Levels, which go up and down. servebench has SGLang's names; LMDeploy has vLLM's under its own prefix. */
const gauges = {
  running_requests: sumOf(
    "sglang:num_running_reqs",
    "vllm:num_requests_running",
    "lmdeploy:num_requests_running",
    "llamacpp:requests_processing",
  ),
  queued_requests: sumOf(
    "sglang:num_queue_reqs",
    "vllm:num_requests_waiting",
    "lmdeploy:num_requests_waiting",
    "llamacpp:requests_deferred",
  ),
  kv_usage: meanOf(
    "sglang:token_usage",
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "lmdeploy:gpu_cache_usage_perc",
    "llamacpp:kv_cache_usage_ratio",
  ),
} as const satisfies Record<string, Meaning>;

/** Counts, which only grow. */
const counters = {
  prompt_tokens: sumOf(
    "sglang:prompt_tokens_total",
    "vllm:prompt_tokens_total",
    "lmdeploy:prompt_tokens_total",
    "llamacpp:prompt_tokens_total",
  ),
  generation_tokens: sumOf(
    "sglang:generation_tokens_total",
    "vllm:generation_tokens_total",
    "lmdeploy:generation_tokens_total",
    "llamacpp:tokens_predicted_total",
  ),
  cache_hit_tokens: sumOf(
    "sglang:cached_tokens_total",
    "vllm:prefix_cache_hits_total",
    "lmdeploy:cached_tokens_total",
  ),
  cache_query_tokens: sumOf("vllm:prefix_cache_queries_total"),
  retractions: sumOf("sglang:num_retracted_requests_total", "vllm:num_preemptions_total"),
  aborted_requests: sumOf("sglang:num_aborted_requests_total"),
} as const satisfies Record<string, Meaning>;

function sumOf(...names: readonly string[]): Meaning {
  return { names, of: "sum" };
}
function meanOf(...names: readonly string[]): Meaning {
  return { names, of: "mean" };
}

export type GaugeName = keyof typeof gauges;
export type CounterName = keyof typeof counters;

/** One look at a server. null: it does not say. */
export interface Look {
  readonly gauges: Readonly<Record<GaugeName, number | null>>;
  readonly counters: Readonly<Record<CounterName, number | null>>;
}

export function lookAt(samples: readonly Sample[]): Look {
  const values = <K extends string>(meanings: Readonly<Record<K, Meaning>>) =>
    Object.fromEntries(
      Object.entries<Meaning>(meanings).map(([key, meaning]) => [key, valueOf(samples, meaning)]),
    ) as Record<K, number | null>;
  return { gauges: values(gauges), counters: values(counters) };
}

/** What SGLang's ranks of one replica say is said of the same requests, by each that speaks. */
const rankLabels: readonly string[] = ["tp_rank", "pp_rank", "moe_ep_rank"];

function valueOf(samples: readonly Sample[], { names, of }: Meaning): number | null {
  for (const wanted of names) {
    const found = samples.filter(({ name, value }) => name === wanted && Number.isFinite(value));
    if (found.length === 0) continue;
    const replicas = new Map<string, number>();
    for (const { labels, value } of found) {
      const own = Object.entries(labels).filter(([label]) => !rankLabels.includes(label));
      const key = JSON.stringify(own);
      replicas.set(key, Math.max(value, replicas.get(key) ?? -Infinity));
    }
    const sum = [...replicas.values()].reduce((total, value) => total + value, 0);
    return of === "sum" ? sum : sum / replicas.size;
  }
  return null;
}

export interface Range {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** null: there was no look, or it did not say. */
export interface Level {
  readonly before: number | null;
  /** Over the looks while the run went on. */
  readonly during: Range | null;
  readonly after: number | null;
}

/** A run as its server saw it. */
export interface ServerFigures {
  readonly looks: number;
  /** null: the server does not say. */
  readonly gauges: Readonly<Record<GaugeName, Level | null>>;
  /** What they grew by from before to after the run. */
  readonly counters: Readonly<Record<CounterName, number | null>>;
  /** Of the prompts' tokens, the share found in the prefix cache. */
  readonly cacheHitRate: number | null;
  /** What /get_server_info or /version says, less what is not a plain value. */
  readonly info: Readonly<Record<string, string | number | boolean>>;
}

/** null: the server says nothing of itself. */
export function summarize(
  looks: readonly Look[],
  info: ServerFigures["info"],
): ServerFigures | null {
  const first = looks[0];
  const last = looks.at(-1);
  if (!first || !last) return Object.keys(info).length > 0 ? { ...nothing, info } : null;
  const during = looks.slice(1, -1);
  const levels = mapKeys(gauges, (key): Level | null => {
    if (looks.every((look) => look.gauges[key] === null)) return null;
    const spread = rangeOf(during.flatMap((look) => look.gauges[key] ?? []));
    return { before: first.gauges[key], during: spread, after: last.gauges[key] };
  });
  const grown = mapKeys(counters, (key) => growth(first.counters[key], last.counters[key]));
  const asked = grown.cache_query_tokens ?? grown.prompt_tokens;
  const hits = grown.cache_hit_tokens;
  const cacheHitRate = hits !== null && asked !== null && asked > 0 ? hits / asked : null;
  return { looks: looks.length, gauges: levels, counters: grown, cacheHitRate, info };
}

const nothing: Omit<ServerFigures, "info"> = {
  looks: 0,
  gauges: mapKeys(gauges, () => null),
  counters: mapKeys(counters, () => null),
  cacheHitRate: null,
};

function mapKeys<K extends string, T>(
  keys: Readonly<Record<K, unknown>>,
  make: (key: K) => T,
): Record<K, T> {
  return Object.fromEntries(Object.keys(keys).map((key) => [key, make(key as K)])) as Record<K, T>;
}

function rangeOf(values: readonly number[]): Range | null {
  if (values.length === 0) return null;
  const sum = values.reduce((total, value) => total + value, 0);
  return { min: Math.min(...values), mean: sum / values.length, max: Math.max(...values) };
}

/** A counter that appears with its first event began at 0; one that went back belongs to a server that was started again. */
function growth(before: number | null, after: number | null): number | null {
  if (after === null) return null;
  return after >= (before ?? 0) ? after - (before ?? 0) : null;
}

/** For the result line: {"server": {...}}; nothing where the server said nothing. */
export function serverFields(figures: ServerFigures | null): Record<string, PythonValue> {
  if (!figures) return {};
  const server: Record<string, PythonValue> = {
    looks: figures.looks,
    ...mapKeys(gauges, (key) => levelField(figures.gauges[key])),
    ...figures.counters,
    cache_hit_rate: figures.cacheHitRate === null ? null : float(figures.cacheHitRate),
    info: figures.info,
  };
  return { server };
}

function levelField(level: Level | null): PythonValue {
  if (!level) return null;
  const { before, during, after } = level;
  const fields = { before, ...(during ?? { min: null, mean: null, max: null }), after };
  return mapKeys(fields, (key) => (fields[key] === null ? null : float(fields[key])));
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** For the table: label and value. */
export function serverRows(figures: ServerFigures | null): [label: string, value: string][] {
  if (!figures) return [];
  const { gauges: g, counters: c, cacheHitRate } = figures;
  const rows: ([string, string] | null)[] = [
    levelsRow("Server: running, mean / max:", g.running_requests),
    levelsRow("Server: queued, mean / max:", g.queued_requests),
    levelsRow("Server: KV use, mean / max:", g.kv_usage, percent),
    cacheHitRate === null ? null : ["Server: prompt tokens from cache:", percent(cacheHitRate)],
    c.retractions === null ? null : ["Server: retractions:", String(c.retractions)],
  ];
  return rows.filter((row) => row !== null);
}

function levelsRow(
  label: string,
  level: Level | null,
  write = (value: number) => value.toFixed(1),
): [string, string] | null {
  const during = level?.during;
  return during ? [label, `${write(during.mean)} / ${write(during.max)}`] : null;
}
