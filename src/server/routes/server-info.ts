/** How the server was started and how it is doing, as JSON. */
import type { Hono } from "hono";
import { z } from "zod";
import { version } from "../../version.ts";
import type { EngineLoad } from "../../engine/api.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import { tokenUsage } from "../metrics/engine.ts";

const gib = 2 ** 30;

export function serverInfoRoutes(app: Hono, context: ServerContext): void {
  for (const path of ["/server_info", "/get_server_info"]) {
    app.get(path, (c) => c.json(serverInfo(context)));
  }
  app.get("/get_server_args", (c) => c.json(context.arguments));
  app.get("/v1/loads", (c) => c.json(loads(context, c.req.query())));
  app.get("/get_load", (c) =>
    c.json(
      context.engine.loads().map((load, replica) => ({
        dp_rank: replica,
        num_reqs: load.running + load.waiting,
        num_waiting_reqs: load.waiting,
        num_tokens: load.usedTokens,
        ts_tic: performance.now() / 1000,
      })),
    ),
  );
}

function serverInfo(context: ServerContext) {
  const { engine } = context;
  const { contextLength, maxTotalTokens, maxRunning } = engine.limits;
  const loadOfEach = engine.loads();
  return {
    ...context.arguments,
    max_total_num_tokens: maxTotalTokens,
    max_req_input_len: Math.min(contextLength, maxTotalTokens) - 1,
    max_running_requests: maxRunning,
    startup_time: context.startupSeconds,
    version,
    device: engine.device,
    steps: engine.load().totals.steps,
    internal_states: loadOfEach.map((load, replica) => ({
      dp_rank: loadOfEach.length > 1 ? replica : null,
      last_gen_throughput: context.watch.replicas[replica]!.lastGenThroughput,
      memory_usage: memoryUsage(context),
      load: load.running + load.waiting,
      num_running_reqs: load.running,
      num_waiting_reqs: load.waiting,
      token_usage: tokenUsage(load, context),
      new_token_ratio: load.newTokenRatio,
      steps: load.totals.steps,
      host_time_per_step_us: hostTime(context, load, replica),
    })),
  };
}

/** In GiB; SGLang's names. */
function memoryUsage({ engine: { memory, limits } }: ServerContext) {
  return {
    weight: memory.weightBytes / gib,
    kvcache: memory.kvCacheBytes / gib,
    token_capacity: limits.maxTotalTokens,
  };
}

/** How long the device waited between steps while there was work, on average. */
function hostTime({ watch }: ServerContext, { totals }: EngineLoad, replica: number) {
  return {
    since_start: totals.steps > 0 ? totals.idleUs / totals.steps : 0,
    recent: watch.replicas[replica]!.recentIdleUsPerStep,
  };
}

const sections = ["core", "memory", "spec", "lora", "disagg", "queues", "all"];
const rank = z.coerce.number().int().min(0);

function loads(context: ServerContext, query: Readonly<Record<string, string>>) {
  const include = (query["include"] ?? "all").split(",");
  const wrong = include.find((name) => !sections.includes(name));
  if (wrong !== undefined) {
    throw refused(`include: '${wrong}' is not one of ${sections.join(", ")}.`);
  }
  if ((query["format"] ?? "json") !== "json") {
    throw refused("format: only json is built; /metrics has the Prometheus format.");
  }
  const asked = query["dp_rank"] === undefined ? null : rank.safeParse(query["dp_rank"]);
  if (asked && !asked.success) {
    throw refused(`dp_rank: expected a number from 0, got '${query["dp_rank"]}'.`);
  }
  const has = (name: string) => include.includes(name) || include.includes("all");
  const timestamp = new Date().toISOString();
  const all = context.engine.loads().map((load, replica) => ({
    timestamp: Date.now() / 1000,
    dp_rank: replica,
    ...coreLoad(context, load, replica),
    ...(has("memory") ? { memory: memoryLoad(context) } : {}),
    ...(has("queues") ? { queues: { waiting: load.waiting } } : {}),
  }));
  return {
    timestamp,
    version,
    accelerator: context.engine.device,
    num_accelerators: all.length,
    loads: asked ? all.filter(({ dp_rank }) => dp_rank === asked.data) : all,
  };
}

function coreLoad(context: ServerContext, load: EngineLoad, replica: number) {
  const { maxTotalTokens, maxRunning } = context.engine.limits;
  const { genThroughput, cacheHitRate } = context.watch.replicas[replica]!;
  return {
    num_running_reqs: load.running,
    num_waiting_reqs: load.waiting,
    num_used_tokens: load.usedTokens,
    max_total_num_tokens: maxTotalTokens,
    max_running_requests: maxRunning,
    token_usage: tokenUsage(load, context),
    gen_throughput: genThroughput,
    cache_hit_rate: cacheHitRate,
    total_prefill_uncached_tokens: load.totals.prefillTokens,
  };
}

function memoryLoad({ engine: { memory, limits } }: ServerContext) {
  return {
    weight_gb: memory.weightBytes / gib,
    kv_cache_gb: memory.kvCacheBytes / gib,
    token_capacity: limits.maxTotalTokens,
  };
}
