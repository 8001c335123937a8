/** Proves that schedules are absolute, start at 0 and use up as many draws as bench_serving. */
import { describe, expect, test } from "bun:test";
import seedrandom from "seedrandom";
import {
  arrivalTimes,
  countedTimes,
  parseRateRange,
  timesWithin,
  type Arrivals,
} from "../../src/bench/arrivals.ts";
import { NumpyRandom } from "../../src/bench/random/numpy.ts";

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

const draws = () => ({ gaps: new NumpyRandom(0), random: seedrandom("a test") });
const at = (perSecond: number, more: Partial<Arrivals> = {}): Arrivals => ({
  rate: { perSecond, integer: false },
  burstiness: 1,
  ramp: null,
  ...more,
});
const gapsOf = (dueS: Float64Array) => Array.from(dueS.subarray(1), (s, i) => s - dueS[i]!);
const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("countedTimes", () => {
  test("burstiness 1 is bench_serving's Poisson process, draw for draw", () => {
    const expected = arrivalTimes({ perSecond: 4, integer: false }, 100, new NumpyRandom(0));
    expect(countedTimes(at(4), 100, draws())).toEqual(expected);
  });

  test("infinite burstiness is constant", () => {
    expect([...countedTimes(at(4, { burstiness: Infinity }), 5, draws())]).toEqual([
      0, 0.25, 0.5, 0.75, 1,
    ]);
  });

  // The coefficient of variation of a gamma distribution is 1 / sqrt(shape); 5 standard errors of 50,000 draws.
  test.each([0.25, 0.5, 2, 16])("burstiness %d: mean and spread of the gaps", (burstiness) => {
    const gaps = gapsOf(countedTimes(at(4, { burstiness }), 50_001, draws()));
    const mean = meanOf(gaps);
    const variation = Math.sqrt(meanOf(gaps.map((gap) => (gap - mean) ** 2))) / mean;
    expect(Math.abs(mean * 4 - 1)).toBeLessThan(5 / Math.sqrt(burstiness * 50_000));
    expect(variation * Math.sqrt(burstiness)).toBeCloseTo(1, burstiness < 0.5 ? 0.5 : 1);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
  });

  const ramp = { startPerSecond: 1, endPerSecond: 16 };
  const constant = { burstiness: Infinity };

  test("a ramp goes from one rate to the other, request by request, as vLLM's", () => {
    const linear = at(Infinity, { ...constant, ramp: { ...ramp, strategy: "linear" } });
    const rates = gapsOf(countedTimes(linear, 6, draws())).map((gap) => 1 / gap);
    [4, 7, 10, 13, 16].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 9));
    const exponential = at(Infinity, { ...constant, ramp: { ...ramp, strategy: "exponential" } });
    const doubled = gapsOf(countedTimes(exponential, 5, draws())).map((gap) => 1 / gap);
    [2, 4, 8, 16].forEach((rate, i) => expect(doubled[i]).toBeCloseTo(rate, 9));
  });

  test("one request of a ramp is due at once", () => {
    const linear = at(Infinity, { ramp: { ...ramp, strategy: "linear" } });
    expect([...countedTimes(linear, 1, draws())]).toEqual([0]);
  });
});

describe("timesWithin", () => {
  test("as many as come about in the time, by the same draws", () => {
    const dueS = timesWithin(at(50), 10, draws())!;
    const counted = countedTimes(at(50), dueS.length + 1, draws());
    expect(dueS).toEqual(counted.subarray(0, -1));
    expect(counted.at(-1)).toBeGreaterThanOrEqual(10);
    expect(dueS.at(-1)).toBeLessThan(10);
  });

  test("a ramp goes over the time", () => {
    const ramp = { strategy: "linear", startPerSecond: 10, endPerSecond: 30 } as const;
    const dueS = timesWithin(at(Infinity, { ramp, burstiness: Infinity }), 100, draws())!;
    expect(dueS.length).toBeGreaterThan(1990); // 20 a second on average
    expect(dueS.length).toBeLessThan(2010);
    expect(1 / gapsOf(dueS).at(-1)!).toBeCloseTo(30, 1);
  });

  test("no end of them at an infinite rate", () => {
    expect(timesWithin(at(Infinity), 10, draws())).toBeNull();
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
