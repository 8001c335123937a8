/** Proves vLLM's file on a run small enough to reckon by hand. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Measurements } from "../../../src/bench/measurements.ts";
import { defaultOptions } from "../../../src/bench/options.ts";
import {
  percentilesTable,
  saveVllmResult,
  vllmPath,
} from "../../../src/bench/report/vllm-result.ts";
import { requestRecord } from "../support.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-vllm-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function threeRequests(): Measurements {
  const m = new Measurements(3, { gapBeforeFirst: false, exactOutput: true });
  const usage = { promptTokens: 5, completionTokens: 3 };
  const first = {
    outputLen: 3,
    promptLen: 5,
    sentS: 0,
    ttftS: 0.5,
    latencyS: 1,
    itlsS: [0.25, 0.25],
  };
  m.add(requestRecord({ index: 0, ...first, usage }), 9);
  // Ends when the next one begins; its tokens are counted in its text.
  m.add(
    requestRecord({ index: 1, ...first, sentS: 0.5, ttftS: 1, latencyS: 1.5, itlsS: [0.5] }),
    2,
  );
  m.add(requestRecord({ index: 2, sentS: 1, failure: { class: "timeout", message: "" } }), 0);
  return m;
}

const run = {
  options: { ...defaultOptions, backend: "vllm", resultDir: null, numPrompts: 3 } as const,
  rate: { perSecond: Infinity, integer: false },
  model: "org/name",
  durationS: 2,
  measurements: threeRequests(),
  goodput: null,
};

test("has vLLM's keys and figures", () => {
  const options = {
    ...run.options,
    resultDir: join(folder, "made"),
    percentileMetrics: ["ttft", "tpot", "e2el"] as const,
    metricPercentiles: [50, 99.9],
  };
  const path = saveVllmResult({ ...run, options }, new Date(2026, 0, 2, 3, 4, 5));
  expect(path).toBe(join(folder, "made", "vllm-infqps-name-20260102-030405.json"));
  const found = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  expect(found).toMatchObject({
    date: "20260102-030405",
    backend: "vllm",
    request_rate: "inf",
    completed: 2,
    failed: 1,
    total_input_tokens: 10,
    total_output_tokens: 5,
    request_throughput: 1,
    request_goodput: null,
    output_throughput: 2.5,
    total_token_throughput: 7.5,
    // Three tokens from 0.5 to 1.0 and two at 1.5 and 2.0, in seconds from the first send.
    max_output_tokens_per_s: 2,
    max_concurrent_requests: 2,
    mean_ttft_ms: 750,
    median_ttft_ms: 750,
    std_ttft_ms: 250,
    p50_ttft_ms: 750,
    mean_tpot_ms: 375,
    mean_e2el_ms: 1250,
  });
  expect(found["p99.9_e2el_ms"]).toBeCloseTo(1499.5, 6);
  expect(Object.keys(found)).not.toContain("mean_itl_ms");
});

test("is named as it is wished", () => {
  const named = { ...run.options, resultDir: "a", resultFilename: "b.json" };
  expect(vllmPath({ ...run, options: named }, "")).toBe(join("a", "b.json"));
  const paced = { ...run, rate: { perSecond: 4, integer: false } };
  expect(vllmPath(paced, "DATE")).toBe("vllm-4.0qps-name-DATE.json");
  const limited = { ...run.options, maxConcurrency: 8 };
  expect(vllmPath({ ...run, options: limited }, "D")).toBe("vllm-infqps-concurrency8-name-D.json");
});

test("percentiles that were asked for are in the table, or what they would need", () => {
  expect(percentilesTable(run.measurements, run.options)).toBe("");
  const asked = { ...run.options, metricPercentiles: [25, 99] };
  const text = percentilesTable(run.measurements, asked);
  expect(text).toContain("P25 TTFT (ms):                           needs 40");
  expect(text).toContain("P99 ITL (ms):                            needs 1000");
});
