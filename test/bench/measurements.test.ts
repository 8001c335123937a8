/** Proves what is kept of a run, that it is bounded, and what counts as a success. */
import { describe, expect, test } from "bun:test";
import { Intake } from "../../src/bench/intake.ts";
import { Measurements } from "../../src/bench/measurements.ts";
import { computeMetrics } from "../../src/bench/metrics.ts";
import { requestRecord } from "./support.ts";

const usual = { gapBeforeFirst: false, exactOutput: true };

const countTokens = (text: string): number => text.length;

test("a million requests with 20 million gaps stay within their bytes a request", () => {
  const requests = 1_000_000;
  const gapsKept = 1 << 16;
  const m = new Measurements(requests, { ...usual, gapsKept });
  const intake = new Intake({ measurements: m, countTokens, records: null, keep: false });
  const empty = m.byteLength;
  const itlsS = Array.from({ length: 20 }, (_, k) => (k + 1) / 1000);
  let textsLeft = 0;
  for (let index = 0; index < requests; index++) {
    // A long text each: were they kept, they would be two gigabytes.
    intake.take(requestRecord({ index, outputLen: 21, itlsS, text: "x".repeat(1000) }));
    textsLeft = Math.max(textsLeft, intake.waiting);
  }
  intake.finish();
  expect(m.ended).toBe(requests);
  expect(m.histogram!.count).toBe(20 * requests);
  expect(empty).toBeLessThanOrEqual(77 * requests + 8 * 1024);
  expect(m.byteLength).toBeLessThan(empty + 1_000_000);
  expect(textsLeft * 1000).toBeLessThanOrEqual(16_000_000);
});

test("too many gaps go to a histogram, whose quantiles are off by its error at most", () => {
  const exact = new Measurements(500, usual);
  const coarse = new Measurements(500, { ...usual, gapsKept: 1000 });
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  for (let index = 0; index < 500; index++) {
    const itlsS = Array.from({ length: 40 }, () => 0.001 * Math.exp(3 * random()));
    for (const m of [exact, coarse]) m.add(requestRecord({ index, outputLen: 41, itlsS }), 41);
  }
  expect([exact.gapError, coarse.gapError]).toEqual([0, 0.001]);
  const [a, b] = [exact, coarse].map((m) => computeMetrics(m, 1).itl) as [Figures, Figures];
  expect(b.meanMs / a.meanMs).toBeCloseTo(1, 12);
  expect(b.stdMs / a.stdMs).toBeCloseTo(1, 9);
  for (const figure of ["medianMs", "p99Ms"] as const) {
    expect(Math.abs(b[figure] / a[figure] - 1)).toBeLessThan(2 * coarse.gapError);
  }
});
type Figures = ReturnType<typeof computeMetrics>["itl"];

test("columns grow where the number of requests is not known before", () => {
  const m = new Measurements(Infinity, usual);
  for (let index = 2999; index >= 0; index--) m.add(requestRecord({ index, sentS: index }), 1);
  expect(m.indices("ok")).toHaveLength(3000);
  expect([0, 1500, 2999].map((i) => m.columns.sentS[i])).toEqual([0, 1500, 2999]);
});

test("gaps are taken in the order of sending, whatever ended first", () => {
  const m = new Measurements(3, usual);
  m.add(requestRecord({ index: 2, outputLen: 3, itlsS: [5, 6] }), 3);
  m.add(requestRecord({ index: 0, outputLen: 2, itlsS: [1] }), 2);
  expect([...m.gapsOf(0)]).toEqual([1]);
  expect([...m.gapsOf(2)]).toEqual([5, 6]);
  expect([...m.indices("ok")]).toEqual([0, 2]);
  expect(m.outcome(1)).toBe("not ended");
});

const usage = (completionTokens: number) => ({ usage: { promptTokens: null, completionTokens } });

const outcomeOf = (
  more: Parameters<typeof requestRecord>[0],
  retokenized: number,
  exactOutput = true,
) => {
  const m = new Measurements(1, { gapBeforeFirst: false, exactOutput });
  m.add(requestRecord({ outputLen: 10, ...more }), retokenized);
  return m.outcome(0);
};

describe("short output", () => {
  test("is what the server counts below what was asked for", () => {
    expect(outcomeOf(usage(9), 10)).toBe("short output");
    expect(outcomeOf(usage(10), 3)).toBe("ok");
  });
  test("needs a tenth to be missing where the server does not count", () => {
    expect(outcomeOf({}, 9)).toBe("ok");
    expect(outcomeOf({}, 8)).toBe("short output");
    expect(outcomeOf({ itlsS: Array<number>(9).fill(0.01) }, 5)).toBe("ok");
    expect(outcomeOf({ ttftS: 0, text: "" }, 0)).toBe("short output");
  });
  test("is a success where answers may end early, and to bench_serving", () => {
    expect(outcomeOf(usage(3), 3, false)).toBe("ok");
    const m = new Measurements(1, usual);
    m.add(requestRecord({ outputLen: 10, ...usage(3) }), 3);
    expect(computeMetrics(m, 1).completed).toBe(1);
  });
});
