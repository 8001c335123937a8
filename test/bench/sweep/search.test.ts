/** Proves that a search ends at the greatest value that meets its goals, knows when it is not sure, and repeats there. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  estimate,
  type Estimates,
  judge,
  parseGoal,
  withErrorGoal,
} from "../../../src/bench/sweep/goals.ts";
import { nextValue, search, type SearchBounds } from "../../../src/bench/sweep/search.ts";
import { foundText } from "../../../src/bench/sweep/text.ts";
import { imagine, recordedRun } from "../results/support.ts";

const bounds: SearchBounds = {
  integer: false,
  start: 1,
  least: 1 / 16,
  greatest: 1024,
  precision: 0.05,
  repeats: 3,
};
const goals = [parseGoal("ttft_p99<500")];

/** A server whose latency is 500 ms at `capacity`, known to within `error` ms. */
const server =
  (capacity: number, error = 0, noise: (run: number) => number = () => 0) =>
  async (value: number, run: number): Promise<Estimates> => {
    const ms = (500 * value) / capacity + noise(run);
    return [{ value: ms, interval: { low: ms - error, high: ms + error } }];
  };

describe("search", () => {
  test("finds any capacity within the bounds, to the precision", async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0.08, max: 900, noNaN: true }), async (capacity) => {
        const found = (await search(goals, bounds, server(capacity)))!;
        expect(found.best!.value).toBeLessThan(capacity);
        expect(found.best!.value * 1.06).toBeGreaterThan(capacity);
        expect(found.best!.runs).toBe(3);
        expect(found.above!.value).toBeGreaterThanOrEqual(capacity);
        expect(found.runs).toBeLessThan(25);
      }),
    );
  });

  test("whole numbers are found exactly while they are small", async () => {
    const whole = { ...bounds, integer: true, least: 1 };
    for (const capacity of [2, 3, 7, 8, 20]) {
      const found = (await search(goals, whole, server(capacity + 0.5)))!;
      expect(found.best!.value).toBe(capacity);
      expect(found.above!.value).toBe(capacity + 1);
      expect(found.tried.every(({ value }) => Number.isInteger(value))).toBe(true);
    }
  });

  test("beyond the bounds it says so", async () => {
    const none = (await search(goals, bounds, server(0.01)))!;
    expect(none.best).toBeNull();
    expect(none.tried.map(({ value }) => value)).toEqual([1, 0.5, 0.25, 0.125, 0.0625]);
    const all = (await search(goals, bounds, server(1e9)))!;
    expect(all.best!.value).toBe(1024);
    expect(all.above).toBeNull();
  });

  test("runs are repeated where an interval holds the limit, and only there", async () => {
    const found = (await search(goals, bounds, server(10, 60)))!;
    for (const { value, runs } of found.tried) {
      const far = Math.abs((500 * value) / 10 - 500) > 60;
      if (far && value !== found.best!.value) expect(runs, String(value)).toBe(1);
      else expect(runs, String(value)).toBeGreaterThan(1);
    }
  });

  test("an answer that repeated runs do not confirm is given up for a lower one", async () => {
    // The first run at each value is too good by 30 ms.
    const flattering = server(10, 1, (run) => (run === 0 ? -30 : 30));
    const found = (await search(goals, bounds, flattering))!;
    expect(found.best!.judgement.met).toBe(true);
    expect(found.best!.runs).toBe(3);
    expect((500 * found.best!.value) / 10 + 10).toBeLessThan(500);
  });

  test("Ctrl-C ends it without an answer", async () => {
    let runs = 0;
    const interrupted = async (value: number, run: number) =>
      ++runs > 3 ? null : server(10)(value, run);
    expect(await search(goals, bounds, interrupted)).toBeNull();
  });

  test("it always ends", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        fc.double({ min: 1.0001, max: 2, noNaN: true }),
        (met, ratio) => {
          const next = nextValue(met, met * ratio, { ...bounds, precision: 0.001 });
          if (next !== null) expect(next > met && next < met * ratio).toBe(true);
        },
      ),
    );
  });
});

const at = (value: number, half: number | null): Estimates => [
  { value, interval: half === null ? null : { low: value - half, high: value + half } },
];

describe("goals", () => {
  test("are read, and what is none refused", () => {
    expect(parseGoal("p99_ttft_ms <= 0.5s")).toMatchObject({ limit: 500, text: "ttft_p99<0.5s" });
    expect(parseGoal("error_rate<5%").limit).toBe(5);
    expect(() => parseGoal("ttft_p99>500")).toThrow(/is no goal/);
    expect(() => parseGoal("output_throughput<5")).toThrow(/latencies and of error_rate/);
    expect(() => parseGoal("ttft_p99<5%")).toThrow(/is in ms, not in %/);
    expect(withErrorGoal(goals).map(({ text }) => text)).toEqual(["ttft_p99<500", "error_rate<1%"]);
    expect(withErrorGoal([parseGoal("error_rate<5%")])).toHaveLength(1);
  });

  test("a goal is surely met or missed only if the interval is on one side", () => {
    expect(judge(goals, [at(450, 20)])).toMatchObject({ met: true, sure: true });
    expect(judge(goals, [at(490, 20)])).toMatchObject({ met: true, sure: false });
    expect(judge(goals, [at(510, 20)])).toMatchObject({ met: false, sure: false });
    expect(judge(goals, [at(550, 20)])).toMatchObject({ met: false, sure: true });
    expect(judge(goals, [at(450, null)])).toMatchObject({ met: true, sure: false });
    // Four runs halve the interval.
    const four = judge(goals, [at(485, 20), at(490, 20), at(488, 20), at(485, 20)]);
    expect(four.sure).toBe(true);
    expect(four.estimates[0]!.interval!.high).toBeCloseTo(497, 9);
  });

  test("failures meet no goal, however fast the others were", () => {
    const both = withErrorGoal([parseGoal("ttft_p50<500")]);
    const failing = estimate(both, recordedRun(imagine({ requests: 200, failing: 20 })));
    expect(judge(both, [failing])).toMatchObject({ met: false, sure: true });
    const all = estimate(both, recordedRun(imagine({ requests: 200, failing: 100 })));
    expect(all[0]).toBeNull();
    expect(judge(both, [all]).met).toBe(false);
    const none = estimate(both, recordedRun(imagine({ requests: 200 })));
    expect(judge(both, [none])).toMatchObject({ met: true, sure: true });
  });
});

test("the answer, its confidence and its cost in words", async () => {
  const asked = { axis: "rate", goals, bounds } as const;
  const found = (await search(goals, bounds, server(10)))!;
  const text = foundText(found, asked, 1234);
  expect(text).toContain(`The greatest rate that meets ttft_p99<500: ${found.best!.value} req/s`);
  expect(text).toContain("Its 95 % intervals are within the goals.");
  expect(text).toContain(`The search took ${found.runs} runs and 1234 requests.`);
  const none = foundText((await search(goals, bounds, server(0.01)))!, asked, 5);
  expect(none).toContain("No rate meets ttft_p99<500, not even 0.0625 req/s.");
});
