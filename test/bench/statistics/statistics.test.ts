/**
 * Proves every statistic against values that numpy and scipy computed by other means (scripts/fixtures-statistics.py),
 * on samples and on made-up runs: no clock is read here.
 */
import { describe, expect, test } from "bun:test";
import seedrandom from "seedrandom";
import {
  confidence,
  seriesConfidence,
  type Sample,
} from "../../../src/bench/statistics/bootstrap.ts";
import { dependence } from "../../../src/bench/statistics/dependence.ts";
import { meets, parseObjective } from "../../../src/bench/statistics/goodput.ts";
import { littlesLaw } from "../../../src/bench/statistics/littles-law.ts";
import { distribution, valuesNeeded } from "../../../src/bench/statistics/percentiles.ts";
import { steadyWindow } from "../../../src/bench/statistics/steady-state.ts";
import { repeated, studentQuantile } from "../../../src/bench/statistics/student.ts";
import { amounts, inFlight } from "../../../src/bench/statistics/timeline.ts";
import { UsageError } from "../../../src/user-error.ts";
import golden from "../../fixtures/bench/statistics.json" with { type: "json" };

/** Equal but for the order of additions. */
function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
}
const expectAllClose = (actual: ArrayLike<number>, expected: readonly number[]): void => {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => expectClose(actual[i]!, value));
};

test.each(golden.distributions.map((d) => [d.values.length, d] as const))(
  "distribution of %d values, and what it cannot carry",
  (_, expected) => {
    const { percentiles, ...figures } = distribution(Float64Array.from(expected.values));
    for (const [name, value] of Object.entries(expected.percentiles)) {
      const told = percentiles[Number(name) as keyof typeof percentiles];
      if (value === null) expect(told).toBeNull();
      else expectClose(told!, value);
    }
    for (const name of ["mean", "deviation", "max"] as const)
      expectClose(figures[name], expected[name]);
  },
);

test("a percentile needs ten values beyond it", () => {
  expect([50, 90, 95, 99, 99.9, 1].map(valuesNeeded)).toEqual([20, 100, 200, 1000, 10_000, 1000]);
});

test.each(golden.dependences)("block length and effective size", (expected) => {
  const { blockLength, effectiveSize } = dependence(Float64Array.from(expected.series));
  expect(blockLength).toBe(expected.blockLength);
  expectClose(effectiveSize, expected.effectiveSize);
});

const sampleOf = (groups: readonly (readonly number[])[]): Sample => ({
  values: Float64Array.from(groups.flat()),
  owner: Int32Array.from(groups.flatMap((group, i) => group.map(() => i))),
});

/** Park and Miller's generator, as in the script. */
function minimalStandard(state: number): () => number {
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

describe("bootstrap", () => {
  test.each(golden.bootstraps)("draws what a resample built in full gives", (expected) => {
    const found = confidence(sampleOf(expected.groups), minimalStandard(expected.seed))!;
    expect(found.blockLength).toBe(expected.blockLength);
    expectAllClose(found.mean, expected.mean);
    expectAllClose(found.p50!, expected.p50);
    // Too few values lie beyond the 99th percentile.
    expect(found.p99 === null).toBe(expected.groups.flat().length < 1000);
    if (found.p99) expectAllClose(found.p99, expected.p99);
  });

  test("holds the true mean of a series that remembers about as often as it says", () => {
    const random = seedrandom("coverage");
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const held = Array.from({ length: 200 }, () => {
      let last = normal() / Math.sqrt(1 - 0.6 ** 2);
      const series = Float64Array.from({ length: 300 }, () => (last = 0.6 * last + normal()));
      const [low, high] = seriesConfidence(series, random)!;
      return low <= 0 && 0 <= high;
    }).filter(Boolean).length;
    // An interval that takes the values for independent holds it in about two thirds of the cases.
    expect(held / 200).toBeGreaterThan(0.87);
    expect(held / 200).toBeLessThanOrEqual(0.99);
  });

  test("the same seed gives the same interval, and a large sample is thinned without bias", () => {
    const random = seedrandom("large");
    const groups = Array.from({ length: 1000 }, () => Array.from({ length: 300 }, random));
    const sample = sampleOf(groups);
    const found = confidence(sample, seedrandom("1"))!;
    expect(confidence(sample, seedrandom("1"))).toEqual(found);
    for (const [[low, high], truth] of [
      [found.mean, 0.5],
      [found.p50!, 0.5],
      [found.p99!, 0.99],
    ] as const) {
      expect(low).toBeLessThan(truth);
      expect(high).toBeGreaterThan(truth);
      expect(high - low).toBeLessThan(0.01);
    }
  });

  test("is refused to fewer than 20 requests", () => {
    const values = Array.from({ length: 19 }, (_, i) => [i]);
    expect(confidence(sampleOf(values), Math.random)).toBeNull();
    expect(confidence(sampleOf([]), Math.random)).toBeNull();
    expect(confidence(sampleOf([...values, [19]]), Math.random)).not.toBeNull();
  });
});

test.each(golden.students)("Student's t: $p, $freedom", ({ p, freedom, quantile }) => {
  expectClose(studentQuantile(p, freedom), quantile);
});

test.each(golden.repeated)("repeated runs", (expected) => {
  const found = repeated(expected.values);
  expectClose(found.mean, expected.mean);
  expectAllClose(found.interval!, expected.interval);
  expectClose(found.variation!, expected.variation);
});

test("one run has no interval", () => {
  expect(repeated([3])).toEqual({ values: 1, mean: 3, interval: null, variation: null });
});

test.each(golden.timelines)("requests under way from $start to $end", (expected) => {
  const [sent, ended] = [expected.sent, expected.ended].map((s) => Float64Array.from(s));
  const { start, end, inFlight: counts } = expected;
  expectAllClose(inFlight(sent!, ended!, start, end, counts.length), counts);
});

test("amounts are spread without loss, those of an instant too", () => {
  const [from, to, amount] = [
    [0, 1, 2.5, 4],
    [0, 3, 2.5, 4],
    [5, 8, 1, 2],
  ].map((list) => Float64Array.from(list));
  expect([...amounts({ from: from!, to: to!, amount: amount! }, 0, 4, 4)]).toEqual([5, 4, 5, 2]);
});

describe("Little's law", () => {
  test.each(golden.queues)("in a queue", (expected) => {
    const [sentS, endedS] = [expected.sent, expected.ended].map((s) => Float64Array.from(s)) as [
      Float64Array,
      Float64Array,
    ];
    const { from: fromS, to: toS } = expected;
    const [concurrency] = inFlight(sentS, endedS, fromS, toS, 1);
    // The grid of moments is as fine as this.
    expect(concurrency! / expected.concurrency).toBeCloseTo(1, 4);
    const law = littlesLaw({ sentS, endedS }, { fromS, toS, concurrency: concurrency! });
    expectClose(law.rate, expected.rate);
    expectClose(law.timeS, expected.time);
    expect(law.holds).toBe(true);
  });

  test("does not hold where the times are wrong", () => {
    const sentS = Float64Array.from({ length: 1000 }, (_, i) => i / 10);
    const endedS = sentS.map((s) => s + 2);
    const law = littlesLaw({ sentS, endedS }, { fromS: 20, toS: 80, concurrency: 30 });
    expect(law).toMatchObject({ holds: false, ratio: expect.closeTo(1.5, 6) });
  });
});

/** `slots` requests at a time, each `timeS`; slots are taken up one by one over `rampS`. */
function closedLoop(slots: number, timeS: number, rampS: number, count: number) {
  const free = Array.from({ length: slots }, (_, k) => (k * rampS) / slots);
  const sent = Array.from({ length: count }, () => {
    const slot = free.indexOf(Math.min(...free));
    const at = free[slot]!;
    free[slot] = at + timeS;
    return at;
  }).sort((a, b) => a - b);
  const sentS = Float64Array.from(sent);
  const endedS = sentS.map((s) => s + timeS);
  return { lives: { sentS, endedS }, durationS: endedS.at(-1)! };
}

describe("steady window", () => {
  test("leaves out the ramp-up and the drain", () => {
    const { lives, durationS } = closedLoop(20, 1, 4, 600);
    const window = steadyWindow(lives, durationS);
    if (typeof window === "string") throw new Error(window);
    // The plateau is 20; four fifths of it are reached after 0.8 of one request's time at the latest.
    expect(window.fromS).toBeGreaterThan(0.5);
    expect(window.fromS).toBeLessThan(4);
    expect(window.toS).toBeLessThanOrEqual(lives.sentS.at(-1)!);
    expect(window.toS).toBeGreaterThan(durationS - 5);
    expect(littlesLaw(lives, window).holds).toBe(true);
  });

  test("is not found where all was sent at once and only drains", () => {
    const sentS = new Float64Array(500);
    const endedS = sentS.map((_, i) => 1 + i / 50);
    expect(steadyWindow({ sentS, endedS }, 11)).toContain("less than a fifth");
  });

  test("is not found where the queue grows", () => {
    const sentS = Float64Array.from({ length: 2000 }, (_, i) => i / 50);
    const endedS = Float64Array.from({ length: 2000 }, (_, i) => 1 + i / 40);
    expect(steadyWindow({ sentS, endedS }, 51)).toMatch(/never settled|less than 3 times/);
  });

  test("is found in most runs of a Poisson stream, small ones too", () => {
    const random = seedrandom("poisson");
    const exponential = (mean: number) => -mean * Math.log(1 - random());
    const found = Array.from({ length: 100 }, () => {
      let at = 0;
      const sentS = Float64Array.from({ length: 240 }, () => (at += exponential(0.25)));
      const endedS = sentS.map((s) => s + exponential(2));
      return steadyWindow({ sentS, endedS }, Math.max(...endedS));
    }).filter((window) => typeof window !== "string");
    expect(found.length).toBeGreaterThan(80);
  });

  test("needs twenty requests", () => {
    const { lives, durationS } = closedLoop(2, 1, 0, 19);
    expect(steadyWindow(lives, durationS)).toContain("fewer than 20");
  });
});

describe("goodput", () => {
  test.each(golden.goodputs)("under %j", ({ objectives, ttft, latency, tokens, good }) => {
    const met = ttft.filter((ttftS, i) => {
      const tpotS = tokens[i]! > 1 ? (latency[i]! - ttftS) / (tokens[i]! - 1) : 0;
      return meets({ ttftS, tpotS, e2elS: latency[i]! }, objectives);
    });
    expect(met).toHaveLength(good);
  });

  test("objectives are NAME:MILLISECONDS", () => {
    expect(parseObjective("ttft:200")).toEqual(["ttft", 200]);
    expect(parseObjective("e2el:0.5")).toEqual(["e2el", 0.5]);
    for (const text of ["itl:5", "ttft", "ttft:", "ttft:-1", "ttft:1:2", "tpot:x", "tpot:."]) {
      expect(() => parseObjective(text), text).toThrow(UsageError);
    }
  });
});
