/** Proves that schedules are absolute, start at 0 and use up as many draws as bench_serving. */
import { describe, expect, test } from "bun:test";
import { arrivalTimes, parseRateRange } from "../../src/bench/arrivals.ts";

describe("arrivalTimes", () => {
  test("adds up the gaps and draws one more than it uses", () => {
    const scales: number[] = [];
    const gaps = { exponential: (scale: number) => scales.push(scale) };
    expect([...arrivalTimes({ perSecond: 4, integer: false }, 4, gaps)]).toEqual([0, 1, 3, 6]);
    expect(scales).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  test("an infinite rate sends all at once and draws nothing", () => {
    const gaps = { exponential: () => expect.unreachable() };
    expect([...arrivalTimes({ perSecond: Infinity, integer: false }, 3, gaps)]).toEqual([0, 0, 0]);
  });
});

const rates = (text: string): number[] => parseRateRange(text).map((rate) => rate.perSecond);

describe("--request-rate-range", () => {
  test("three integers are start, stop and step", () => {
    expect(rates("2,34,2")).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32]);
    expect(rates("1,8,3")).toEqual([1, 4, 7]);
    expect(rates("9,2,-3")).toEqual([9, 6, 3]);
  });

  test("any other count is the list", () => {
    expect(rates("1,2,4,8")).toEqual([1, 2, 4, 8]);
    expect(rates("5")).toEqual([5]);
    expect(rates(" 5, 6")).toEqual([5, 6]);
  });

  test.each(["1.5", "a", "", "1,2,0", "5,5,1", "0,3,1", "-1"])("refuses '%s'", (text) => {
    expect(() => parseRateRange(text)).toThrow("--request-rate-range");
  });
});
