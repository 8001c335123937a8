/** /metrics: well-formed text, SGLang's names, and counts that add up over a real engine on the null device. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Engine, startEngine } from "../../src/engine/index.ts";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { Histogram } from "../../src/server/metrics/histogram.ts";
import { smallestConfig } from "../support/null-engine.ts";
import { parseExposition, valueOf } from "./exposition.ts";
import { post, testContext, testServer, until, vocabSize } from "./support.ts";

test("a histogram counts a value in every bucket whose bound it does not exceed", () => {
  const histogram = new Histogram([1, 2, 4]);
  for (const value of [0, 1, 1.5, 4, 5]) histogram.observe(value);
  const values = histogram.samples("x", { a: "b" }).map(({ value }) => value);
  expect(values).toEqual([2, 3, 4, 5, 11.5, 5]);
});

test("the checker of the format refuses what a scraper would", () => {
  const sound = '# HELP x y\n# TYPE x counter\nx{a="b\\"c"} 1\n';
  expect(valueOf(parseExposition(sound), "x")).toBe(1);
  for (const wrong of ["x", "x{a=b} 1", 'y{a="b"} 1', 'x{a="b\\"c"} 2']) {
    expect(() => parseExposition(`${sound}${wrong}\n`), wrong).toThrow();
  }
});

const scrape = async (url: string) => {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  return parseExposition(await response.text());
};

/** Ids whose pages of 16 no other seed shares. */
const prompt = (seed: number, length: number) =>
  Array.from({ length }, (_, i) => (seed * 7 + i) % 250);

describe("over an engine", () => {
  let engine: Engine;
  let server: RunningServer;
  let url: string;
  beforeAll(async () => {
    const config = { ...smallestConfig, vocab_size: vocabSize };
    engine = await startEngine(
      { config, weights: { kind: "dummy" } },
      { device: "null", maxTotalTokens: 512, maxRunning: 8, stepUs: 100 },
    );
    server = await startServer(testContext(engine), { host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${server.port}`;
  });
  afterAll(async () => {
    await server.close(0);
    await engine.close();
  });

  interface Answer {
    readonly meta_info: Record<
      "prompt_tokens" | "completion_tokens" | "cached_tokens" | "num_retractions",
      number
    >;
  }
  const ask = async (body: object) => {
    const sampling_params = { temperature: 0, max_new_tokens: 120, ignore_eos: true };
    const response = await post(`${url}/generate`, { sampling_params, ...body });
    return [await response.json()].flat() as Answer[];
  };
  test("counts, lengths, cached tokens and retractions are those of the answers", async () => {
    const answers = (
      await Promise.all([
        ...Array.from({ length: 8 }, (_, i) => ask({ input_ids: prompt(i, 20 + i) })),
        ask({ input_ids: [prompt(20, 16), prompt(21, 17)] }),
      ])
    ).flat();
    answers.push(...(await ask({ input_ids: prompt(30, 65) })));
    answers.push(...(await ask({ input_ids: prompt(30, 65) })));
    const sum = (field: keyof Answer["meta_info"]) =>
      answers.reduce((total, { meta_info }) => total + meta_info[field], 0);
    expect(sum("cached_tokens")).toBeGreaterThanOrEqual(64);
    expect(sum("num_retractions")).toBeGreaterThan(0);

    const found = await scrape(url);
    expect(valueOf(found, "sglang:num_requests_total")).toBe(12);
    expect(valueOf(found, "sglang:num_requests_total", 'is_streaming="false"')).toBe(12);
    expect(valueOf(found, "sglang:num_aborted_requests_total")).toBe(0);
    expect(valueOf(found, "sglang:prompt_tokens_total")).toBe(sum("prompt_tokens"));
    expect(valueOf(found, "sglang:prompt_tokens_histogram_sum")).toBe(sum("prompt_tokens"));
    expect(valueOf(found, "sglang:generation_tokens_total")).toBe(sum("completion_tokens"));
    expect(valueOf(found, "sglang:generation_tokens_histogram_sum")).toBe(12 * 120);
    expect(valueOf(found, "sglang:cached_tokens_total")).toBe(sum("cached_tokens"));
    expect(valueOf(found, "sglang:num_retracted_requests_total")).toBe(sum("num_retractions"));
    expect(valueOf(found, "sglang:uncached_prompt_tokens_histogram_sum")).toBe(
      sum("prompt_tokens") - sum("cached_tokens"),
    );
    expect(valueOf(found, "sglang:time_to_first_token_seconds_count")).toBe(12);
    expect(valueOf(found, "sglang:queue_time_seconds_count")).toBe(12);
    expect(valueOf(found, "sglang:e2e_request_latency_seconds_count")).toBe(12);
    expect(valueOf(found, "sglang:inter_token_latency_seconds_count")).toBe(12 * 119);
    expect(valueOf(found, "sglang:http_responses_total", 'endpoint="/generate"')).toBe(11);
    expect(valueOf(found, "sglang:realtime_tokens_total", 'mode="decode"')).toBe(12 * 120);
    expect(valueOf(found, "sglang:evicted_tokens_total")).toBeGreaterThan(0);
  });

  test("an abort is a request that ended, with the tokens it had", async () => {
    const before = await scrape(url);
    const leave = new AbortController();
    const body = { prompt: "x", max_tokens: 400, stream: true, ignore_eos: true };
    const response = await post(`${url}/v1/completions`, body, { signal: leave.signal });
    await response.body!.getReader().read();
    leave.abort();
    await until(() => engine.load().running === 0);
    const after = await scrape(url);
    const grown = (name: string, part = "") =>
      valueOf(after, name, part) - valueOf(before, name, part);
    expect(grown("sglang:num_aborted_requests_total")).toBe(1);
    expect(grown("sglang:num_requests_total", 'is_streaming="true"')).toBe(1);
    expect(grown("sglang:prompt_tokens_total")).toBe(2);
    const tokens = grown("sglang:generation_tokens_total");
    expect(tokens).toBeGreaterThan(0);
    expect(grown("sglang:generation_tokens_histogram_sum")).toBe(tokens);
    expect(grown("sglang:generation_tokens_histogram_count")).toBe(1);
    expect(grown("sglang:inter_token_latency_seconds_count")).toBe(tokens - 1);
  });

  test("the parts of the KV pool add up to it", async () => {
    const found = await scrape(url);
    const parts = ["used", "evictable", "available"].map((part) =>
      valueOf(found, `sglang:kv_${part}_tokens`),
    );
    expect(parts.reduce((a, b) => a + b)).toBe(512);
    expect(parts[0]).toBe(0);
    expect(valueOf(found, "sglang:max_total_num_tokens")).toBe(512);
    expect(valueOf(found, "sglang:num_pages")).toBe(32);
    const labels =
      'model_name="org/toy",engine_type="unified",tp_rank="0",pp_rank="0",moe_ep_rank="0"';
    expect(valueOf(found, "sglang:num_running_reqs", `{${labels}}`)).toBe(0);
  });
});

test("/metrics needs no key, and refused requests are counted", async () => {
  await using server = await testServer({ apiKey: "secret" });
  await fetch(`${server.url}/v1/models`);
  await fetch(`${server.url}/invented/${"x".repeat(100)}`);
  const found = await scrape(server.url);
  const refused = 'endpoint="/v1/models",method="GET",status_code="401"';
  expect(valueOf(found, "sglang:http_responses_total", refused)).toBe(1);
  expect(valueOf(found, "sglang:http_requests_total", 'endpoint="other"')).toBe(1);
  expect(valueOf(found, "sglang:http_requests_active", 'endpoint="/metrics"')).toBe(1);
  expect(valueOf(found, "sglang:startup_time_seconds")).toBe(1);
});
