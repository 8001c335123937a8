import { describe, expect, test } from "bun:test";
import { resolveOptions, type EngineOptions } from "../../src/engine/options.ts";

const gib = 2 ** 30;
/** Llama 3.1 8B in bfloat16. */
const model = {
  contextLength: 131072,
  weightBytes: 15 * gib,
  kvBytesPerToken: 131072,
  freeBytes: 64 * gib,
};
const tokens = (options: Partial<EngineOptions>, changes: object = {}) =>
  16 * resolveOptions({ device: "cpu", ...options }, { ...model, ...changes }).program.pages;

describe("the KV pool", () => {
  test("has as many tokens as the user says, in whole pages", () => {
    expect(tokens({ maxTotalTokens: 1000 })).toBe(992);
    expect(tokens({ maxTotalTokens: 1 })).toBe(16);
  });

  test("takes what the fraction of free memory leaves beside the weights", () => {
    expect(tokens({ memFractionStatic: 0.25 })).toBe((64 * 0.25 - 15) * 8192);
  });

  test("stays within 2 GiB, or one request of full length where that is more", () => {
    expect(tokens({})).toBe(131072);
    expect(tokens({ contextLength: 8192 })).toBe(2 * 8192);
  });

  test("is no larger than the running requests can fill", () => {
    expect(tokens({ contextLength: 1000, maxRunning: 2 })).toBe(2 * 1008);
  });

  test("refuses to be nothing", () => {
    expect(() => tokens({ memFractionStatic: 0.1 })).toThrow(
      "No memory is left for the KV cache: 0.1 of the free 64.0 GiB (memFractionStatic) is not more than the weights' 15.0 GiB",
    );
    expect(() => tokens({ maxTotalTokens: 0 })).toThrow("maxTotalTokens is 0");
  });
});

test("a step has room for a chunk of prompts beside a token of every running request", () => {
  const { program, scheduler } = resolveOptions(
    { device: "cpu", maxRunning: 100, chunkedPrefillSize: 300, maxTotalTokens: 4096 },
    model,
  );
  expect(program).toEqual({
    tokens: 400,
    requests: 100,
    rows: 100,
    pages: 256,
    tableEntries: 25_600,
  });
  expect(scheduler).toMatchObject({
    maxRunning: 100,
    prefillTokens: 300,
    chunked: true,
    maxRows: 100,
  });
});

function prefill(options: Partial<EngineOptions>) {
  const { program, scheduler } = resolveOptions(
    { device: "cpu", maxRunning: 1, contextLength: 20_000, ...options },
    model,
  );
  return [program.tokens, scheduler.prefillTokens, scheduler.chunked];
}

test("no step takes more prompt tokens than maxPrefillTokens, but for one whole prompt", () => {
  expect(prefill({ maxPrefillTokens: 100 })).toEqual([101, 100, true]);
  expect(prefill({ maxPrefillTokens: 5000 })).toEqual([513, 512, true]);
  const chunkedPrefillSize = Infinity;
  expect(prefill({ chunkedPrefillSize })).toEqual([20_001, 16_384, false]);
  expect(prefill({ chunkedPrefillSize, maxPrefillTokens: 64 })).toEqual([20_001, 64, false]);
  expect(prefill({ chunkedPrefillSize, maxPrefillTokens: 30_000 })).toEqual([
    30_001,
    30_000,
    false,
  ]);
});

test("a page size is a multiple of the device's", () => {
  const { pool, program } = resolveOptions(
    { device: "cpu", pageSize: 48, maxTotalTokens: 1000, maxRunning: 2, contextLength: 100 },
    model,
  );
  expect(pool).toEqual({ pages: 20, pageTokens: 48 });
  expect([program.pages, program.tableEntries]).toEqual([60, 2 * 3 * 3]);
  expect(() => tokens({ pageSize: 1 })).toThrow("The page size is 1; expected a multiple of 16");
});

test("a chunk is never longer than the context", () => {
  const { program } = resolveOptions({ device: "cpu", maxRunning: 1, contextLength: 64 }, model);
  expect(program.tokens).toBe(65);
});

test("without chunks a step has room for a prompt as long as the context", () => {
  const options = { maxRunning: 1, contextLength: 64, chunkedPrefillSize: Infinity } as const;
  const { program, scheduler } = resolveOptions({ device: "cpu", ...options }, model);
  expect([program.tokens, scheduler.prefillTokens, scheduler.chunked]).toEqual([65, 64, false]);
});
