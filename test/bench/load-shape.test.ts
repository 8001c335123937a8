/** Proves which shapes of load are refused, and what results say of the others. */
import { describe, expect, test } from "bun:test";
import {
  checkLoadShape,
  loadShapeFields,
  loadShapeRows,
  scheduleOf,
} from "../../src/bench/load-shape.ts";
import { defaultOptions, type BenchOptions } from "../../src/bench/options.ts";
import { NumpyRandom } from "../../src/bench/random/numpy.ts";

const options = (more: Partial<BenchOptions>): BenchOptions => ({ ...defaultOptions, ...more });
const atRate = (perSecond: number) => ({ requestRate: { perSecond, integer: false } });

test.each<[Partial<BenchOptions>, string]>([
  [{ rampUpStrategy: "linear" }, "--ramp-up-strategy needs --ramp-up-start-rps"],
  [{ rampUpStrategy: "linear", rampUpStartRps: 0, rampUpEndRps: 2 }, "--ramp-up-strategy needs"],
  [{ rampUpEndRps: 2 }, "--ramp-up-start-rps and --ramp-up-end-rps need --ramp-up-strategy"],
  [
    { rampUpStrategy: "linear", rampUpStartRps: 1, rampUpEndRps: 2, ...atRate(3) },
    "--ramp-up-strategy sets the rates itself",
  ],
  [{ burstiness: 0, ...atRate(3) }, "--burstiness: 0 is not above 0"],
  [{ burstiness: 2 }, "--burstiness shapes arrivals at a rate"],
  [{ duration: 5 }, "--duration needs --request-rate, --max-concurrency or a ramp"],
])("%p is refused", (more, sentence) => {
  expect(() => checkLoadShape(options(more))).toThrow(sentence);
});

test.each<Partial<BenchOptions>>([
  {},
  { burstiness: Infinity, ...atRate(3) },
  { duration: 5, maxConcurrency: 2 },
  { duration: 5, ...atRate(3) },
  { rampUpStrategy: "exponential", rampUpStartRps: 1, rampUpEndRps: 2, duration: 5 },
  { multi: true, burstiness: 2 },
])("%p is taken", (more) => {
  checkLoadShape(options(more));
});

describe("results", () => {
  test("of bench_serving's shapes say nothing more", () => {
    const plain = options(atRate(4));
    expect([loadShapeFields(plain), loadShapeRows(plain)]).toEqual([{}, []]);
  });

  test("of others say what they are", () => {
    const shaped = options({
      burstiness: Infinity,
      maxConcurrency: 8,
      duration: 60,
      connection: "keep-alive",
      salt: "x",
    });
    expect(Object.keys(loadShapeFields(shaped))).toEqual([
      "burstiness",
      "max_concurrency",
      "send_duration",
      "grace_period",
      "connection",
      "salt",
    ]);
    expect(loadShapeRows(shaped)).toEqual([
      ["Burstiness (1 is Poisson):", "constant gaps"],
      ["Max request concurrency:", "8"],
      ["Time to send in (s):", "60.0"],
    ]);
  });
});

const ofRound = (index: number, round: number) => ({
  promptLen: 1,
  outputLen: 1,
  bytes: Buffer.from(`${"abc"[index]}${round}`),
});

test("a duration goes through the data set round and round", () => {
  const asked = options({ duration: 2, burstiness: Infinity, ...atRate(4) });
  const schedule = scheduleOf(asked, asked.requestRate, new NumpyRandom(0), 3, ofRound);
  const sent = Array.from({ length: schedule.count }, (_, i) => [
    schedule.dueS(i),
    Buffer.from(schedule.request(i).bytes).toString(),
  ]);
  expect(sent).toEqual([
    [0, "a0"],
    [0.25, "b0"],
    [0.5, "c0"],
    [0.75, "a1"],
    [1, "b1"],
    [1.25, "c1"],
    [1.5, "a2"],
    [1.75, "b2"],
  ]);
});
