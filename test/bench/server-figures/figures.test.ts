/** Proves that engines' names mean the same, and that a run's figures are those between its first and its last look. */
import { describe, expect, test } from "bun:test";
import { jsonDumps } from "../../../src/bench/python-values.ts";
import {
  lookAt,
  serverFields,
  serverRows,
  summarize,
} from "../../../src/bench/server-figures/figures.ts";
import { parseMetrics } from "../../../src/bench/server-figures/prometheus.ts";

const look = (page: string) => lookAt(parseMetrics(page));

const pages = {
  sglang: `sglang:num_running_reqs{tp_rank="0"} 5
sglang:num_queue_reqs 2
sglang:token_usage 0.5
sglang:prompt_tokens_total 100
sglang:cached_tokens_total{cache_source="device"} 20
sglang:cached_tokens_total{cache_source="host"} 10
sglang:num_retracted_requests_total 1`,
  vllm: `vllm:num_requests_running{engine="0"} 3
vllm:num_requests_running{engine="1"} 2
vllm:num_requests_waiting 2
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
vllm:prompt_tokens_total 100
vllm:prefix_cache_hits_total 30
vllm:prefix_cache_queries_total 120
vllm:num_preemptions_total 1`,
};

test.each(["sglang", "vllm"] as const)("%s, several ranks or engines together", (engine) => {
  const { gauges, counters } = look(pages[engine]);
  expect(gauges).toEqual({ running_requests: 5, queued_requests: 2, kv_usage: 0.5 });
  expect(counters).toMatchObject({ prompt_tokens: 100, cache_hit_tokens: 30, retractions: 1 });
});

/** As SGLang writes them of 2 replicas of 2 x 2 ranks each with --enable-metrics-for-all-schedulers. */
const ranks = [0, 1].flatMap((dp) =>
  [0, 1].flatMap((tp) =>
    [0, 1].map((pp) => ({ labels: `dp_rank="${dp}",pp_rank="${pp}",tp_rank="${tp}"`, dp })),
  ),
);
test("ranks of a replica speak of the same requests", () => {
  const lines = ranks.flatMap(({ labels, dp }) => [
    `sglang:num_running_reqs{${labels}} ${3 + dp}`,
    `sglang:token_usage{${labels}} ${0.2 + 0.2 * dp}`,
  ]);
  expect(look(lines.join("\n")).gauges).toMatchObject({ running_requests: 7 });
  expect(look(lines.join("\n")).gauges.kv_usage).toBeCloseTo(0.3);
});

test("what LMDeploy and llama.cpp say", () => {
  const lmdeploy = look(`lmdeploy:num_requests_running{engine="0"} 3
lmdeploy:num_requests_waiting{engine="0"} 1
lmdeploy:gpu_cache_usage_perc{engine="0"} 0.5
lmdeploy:prompt_tokens_total{engine="0"} 100
lmdeploy:cached_tokens_total{engine="0"} 40`);
  expect(lmdeploy.gauges).toEqual({ running_requests: 3, queued_requests: 1, kv_usage: 0.5 });
  expect(lmdeploy.counters).toMatchObject({ prompt_tokens: 100, cache_hit_tokens: 40 });
  const llama = look(`llamacpp:prompt_tokens_total 143
llamacpp:tokens_predicted_total 673
llamacpp:requests_processing 2
llamacpp:requests_deferred 1`);
  expect(llama.gauges).toEqual({ running_requests: 2, queued_requests: 1, kv_usage: null });
  expect(llama.counters).toMatchObject({ prompt_tokens: 143, generation_tokens: 673 });
});

test("what a server does not say is null", () => {
  expect(Object.values(look("up 1").gauges)).toEqual([null, null, null]);
});

const at = (running: number, prompts: number, cached: number | null) =>
  look(
    `sglang:num_running_reqs ${running}\nsglang:prompt_tokens_total ${prompts}\n` +
      (cached === null ? "" : `sglang:cached_tokens_total ${cached}\n`),
  );

describe("a run", () => {
  test("levels over the looks in between, counts from the first to the last", () => {
    const looks = [at(0, 50, null), at(8, 100, 10), at(4, 200, 20), at(0, 250, 50)];
    const figures = summarize(looks, { version: "1" })!;
    expect(figures.gauges.running_requests).toEqual({
      before: 0,
      during: { min: 4, mean: 6, max: 8 },
      after: 0,
    });
    expect(figures.gauges.queued_requests).toBeNull();
    expect(figures.counters).toMatchObject({ prompt_tokens: 200, cache_hit_tokens: 50 });
    expect(figures.cacheHitRate).toBe(0.25);
    expect(serverFields(figures)).toMatchObject({ server: { looks: 4, info: { version: "1" } } });
    expect(serverRows(figures)).toEqual([
      ["Server: running, mean / max:", "6.0 / 8.0"],
      ["Server: prompt tokens from cache:", "25.0 %"],
    ]);
  });

  test("before and after a run that was over before it was looked at", () => {
    const figures = summarize([at(2, 0, 0), at(1, 9, 0)], {})!;
    expect(serverRows(figures).map(([label]) => label)).toEqual([
      "Server: prompt tokens from cache:",
    ]);
    expect(jsonDumps(serverFields(figures))).toContain(
      '"running_requests": {"before": 2.0, "min": null, "mean": null, "max": null, "after": 1.0}, "queued_requests": null',
    );
  });

  test("vLLM's hits are of what was looked up", () => {
    const before = look("vllm:prefix_cache_queries_total 0\nvllm:prefix_cache_hits_total 0");
    const after = look("vllm:prefix_cache_queries_total 80\nvllm:prefix_cache_hits_total 60");
    expect(summarize([before, after], {})!.cacheHitRate).toBe(0.75);
  });

  test("a server that was started again in between has no counts", () => {
    expect(summarize([at(0, 50, 5), at(0, 10, 1)], {})!.counters.prompt_tokens).toBeNull();
  });

  test("nothing said is nothing written", () => {
    expect(summarize([], {})).toBeNull();
    expect([serverFields(null), serverRows(null)]).toEqual([{}, []]);
    expect(serverFields(summarize([], { version: "0.9" }))).toMatchObject({
      server: { looks: 0, cache_hit_rate: null, info: { version: "0.9" } },
    });
  });
});
