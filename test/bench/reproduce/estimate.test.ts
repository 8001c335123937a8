/** Proves the arithmetic of the estimate. */
import { expect, test } from "bun:test";
import { estimateS, workloadOf } from "../../../src/bench/reproduce/estimate.ts";
import { about } from "../../../src/bench/reproduce/text.ts";
import { defaultOptions } from "../../../src/bench/options.ts";

const still = { prefillS: 0, stepS: 0, batchedS: 0, prefillContextS: 0, decodeContextS: 0 };
const load = { prompts: 256, input: 100, output: 10, perSecond: Infinity };

test("each part of the work, the warm-up request included", () => {
  expect(estimateS(load, { ...still, prefillS: 0.01 })).toBeCloseTo(257 * 100 * 0.01);
  expect(estimateS(load, { ...still, prefillContextS: 0.001 })).toBeCloseTo(257 * 100 * 50 * 0.001);
  expect(estimateS(load, { ...still, stepS: 1 })).toBeCloseTo(10 + (256 / 128) * 10);
  expect(estimateS(load, { ...still, batchedS: 1 })).toBeCloseTo(2 * 10 * 127);
  expect(estimateS(load, { ...still, decodeContextS: 0.1 })).toBeCloseTo(257 * 10 * 105 * 0.1);
});

test("arrivals take their time even on a fast server", () => {
  expect(estimateS({ ...load, perSecond: 4 }, still)).toBe(64);
});

test("the load follows from the flags", () => {
  const random = {
    ...defaultOptions,
    datasetName: "random" as const,
    numPrompts: 7,
    randomInputLen: 4096,
    randomOutputLen: 1024,
    randomRangeRatio: 0.5,
  };
  expect(workloadOf(random)).toEqual({ prompts: 7, input: 3072, output: 768, perSecond: Infinity });
  expect(workloadOf({ ...defaultOptions, sharegptOutputLen: 9 }).output).toBe(9);
});

test("times in words", () => {
  expect([0.2, 80, 600, 20_000, 1e6].map(about)).toEqual([
    "about 1 s",
    "about 80 s",
    "about 10 min",
    "about 5.6 h",
    "about 12 days",
  ]);
});
