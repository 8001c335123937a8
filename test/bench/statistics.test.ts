/** Proves that means, deviations and percentiles are numpy's doubles. */
import { expect, test } from "bun:test";
import { NumpyRandom } from "../../src/bench/random/numpy.ts";
import { mean, median, percentile, standardDeviation } from "../../src/bench/statistics.ts";
import golden from "../fixtures/bench/python.json" with { type: "json" };

test.each(golden.statistics)("of $size values", (expected) => {
  const numpy = new NumpyRandom(expected.size);
  const x = Array.from({ length: expected.size }, () => numpy.exponential(0.02));
  expect(mean(x)).toBe(expected.mean);
  expect(standardDeviation(x)).toBe(expected.std);
  expect(median(x)).toBe(expected.median);
  for (const [percent, value] of Object.entries(expected.percentiles)) {
    expect(percentile(x, Number(percent))).toBe(value);
  }
});

test("nothing gives NaN", () => {
  for (const of of [mean, median, standardDeviation]) expect(of([])).toBeNaN();
  expect(percentile([], 99)).toBeNaN();
});
