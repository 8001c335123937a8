/** Proves the live figures by runs whose clock is a number. */
import { expect, test } from "bun:test";
import { LiveFigures, type LivePlan } from "../../../src/bench/live/figures.ts";
import { Growth } from "../../../src/bench/live/growth.ts";
import { SeriesTime } from "../../../src/bench/live/series-time.ts";
import type { LiveState } from "../../../src/bench/live/state.ts";
import { defaultOptions } from "../../../src/bench/options.ts";
import { requestRecord } from "../support.ts";

const plan: LivePlan = {
  total: 10,
  lastDueS: 0,
  sendForS: Infinity,
  graceS: Infinity,
  tokens: 1000,
  gapBeforeFirst: false,
};

/** A success of 100 tokens that took a second. */
const success = () =>
  requestRecord({ outputLen: 100, ttftS: 0.01, itlsS: Array(99).fill(0.01), latencyS: 1 });

/** Looks every 100 ms, after `each` has told what happened up to then. */
function watch(
  figures: LiveFigures,
  fromS: number,
  toS: number,
  each: (atS: number) => { sent: number; openLines: number },
): LiveState {
  let state: LiveState | null = null;
  for (let tenth = Math.round(fromS * 10); tenth <= Math.round(toS * 10); tenth++) {
    state = figures.state(tenth / 10, each(tenth / 10));
  }
  return state!;
}

const failure = (name: "timeout" | "interrupted") => ({ class: name, message: "" });

test("requests are counted by what became of them", () => {
  const figures = new LiveFigures(plan);
  figures.end(success());
  figures.end(requestRecord({ failure: failure("timeout"), ttftS: 0 }));
  figures.end(requestRecord({ failure: failure("interrupted"), ttftS: 0 }));
  const state = figures.state(1, { sent: 7, openLines: 0 });
  const counts = { sent: 7, running: 4, done: 1, failed: 1, givenUp: 1, total: 10 };
  expect(state).toMatchObject({ over: false, elapsedS: 1, ...counts });
  expect(figures.state(2, null)).toMatchObject({ over: true, sent: 3, running: 0, leftS: 0 });
});

test("latencies are those of successes, in milliseconds; gaps are between events in every version", () => {
  for (const gapBeforeFirst of [false, true]) {
    const figures = new LiveFigures({ ...plan, gapBeforeFirst });
    expect(figures.state(0, { sent: 1, openLines: 0 })).toMatchObject({ ttft: null, itl: null });
    const gaps = [0.02, 0.02, 0.04];
    const itlsS = gapBeforeFirst ? [0.3, ...gaps] : gaps;
    figures.end(requestRecord({ ttftS: 0.3, itlsS }));
    figures.end(requestRecord({ ttftS: 9, failure: { class: "timeout", message: "" } }));
    const { ttft, itl } = figures.state(1, { sent: 2, openLines: 0 });
    expect(ttft!.p50).toBeWithin(299, 301);
    expect(itl!.p50).toBeWithin(19.9, 20.1);
    expect(itl!.p99).toBeWithin(19.9, 20.1); // of three values it is not the greatest
  }
});

test("tokens of replies that go on count too, and time left is what remains of those asked for", () => {
  const figures = new LiveFigures(plan);
  const state = watch(figures, 0, 4, (atS) => ({ sent: 10, openLines: 100 * atS }));
  expect(state).toMatchObject({ done: 0, elapsedS: 4, leftS: 6 });
  expect(state.tokens).toMatchObject({ now: 100, mean: 100, history: Array(8).fill(100) });
  expect(state.requests).toEqual({ now: 0, mean: 0, history: Array(8).fill(0) });
});

test("an event counts as many tokens as events of ended requests carried", () => {
  const figures = new LiveFigures(plan);
  const usage = { promptTokens: 1, completionTokens: 300 };
  figures.end({ ...success(), usage });
  expect(figures.state(1, { sent: 2, openLines: 100 }).tokens.mean).toBe(600);
});

test("replies that end early shorten what is left", () => {
  const figures = new LiveFigures({ ...plan, tokens: 2000 });
  for (let i = 0; i < 5; i++) figures.end({ ...success(), outputLen: 200 });
  // 500 tokens in 5 s, of 1000 asked; of 1000 more asked, 500 will come.
  expect(watch(figures, 5, 5, () => ({ sent: 10, openLines: 0 })).leftS).toBe(5);
});

test("nothing is told of time left before anything has come", () => {
  expect(new LiveFigures(plan).state(3, { sent: 10, openLines: 0 }).leftS).toBeNull();
});

test("at a rate the last arrival and the time of a request bound it from below", () => {
  const figures = new LiveFigures({ ...plan, lastDueS: 60 });
  expect(figures.state(10, { sent: 2, openLines: 0 }).leftS).toBe(50);
  figures.end(success());
  expect(figures.state(20, { sent: 4, openLines: 0 }).leftS).toBeGreaterThanOrEqual(41);
});

test("a run of so many seconds ends with them, and its grace at most", () => {
  const timed = { ...plan, total: Infinity, lastDueS: Infinity, sendForS: 60, graceS: 0.5 };
  const figures = new LiveFigures(timed);
  figures.end(success());
  expect(figures.state(20, { sent: 4, openLines: 0 })).toMatchObject({ total: null, leftS: 40.5 });
  expect(figures.state(61, { sent: 4, openLines: 0 }).leftS).toBe(0);
});

test("a rate is that of the last two seconds; looks that come late keep the curve's scale", () => {
  const growth = new Growth();
  for (let tenth = 0; tenth <= 40; tenth++) growth.take(tenth / 10, tenth);
  expect(growth.rates(4)).toEqual({ now: 10, mean: 10, history: Array(8).fill(10) });
  growth.take(6, 40); // nothing came, and nobody looked for two seconds
  expect(growth.rates(6).history).toEqual([...Array(8).fill(10), 0, 0, 0, 0]);
  expect(growth.rates(6).now).toBe(0);
  growth.take(7, 30); // an estimate is corrected
  expect(growth.rates(7).now).toBe(0);
  growth.take(1000, 40);
  expect(growth.rates(1000).history).toHaveLength(60);
});

test("a state is plain JSON", () => {
  const state = new LiveFigures({ ...plan, total: Infinity }).state(0, { sent: 0, openLines: 0 });
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
});

test("runs to come take as long as their arrivals, else as long as those before", async () => {
  const time = new SeriesTime();
  const atRate = {
    ...defaultOptions,
    numPrompts: 30,
    requestRate: { perSecond: 2, integer: false },
  };
  expect(time.restS([atRate, { ...defaultOptions, duration: 5 }])).toBe(20);
  expect(time.restS([defaultOptions])).toBeNull();
  expect(await time.measure(async () => "done")).toBe("done");
  expect(time.restS([defaultOptions, atRate])).toBeGreaterThanOrEqual(15);
});

test("a server that has died leaves the schedule's time, not that of its last tokens", () => {
  const figures = new LiveFigures({ ...plan, lastDueS: 60 });
  figures.end(success());
  figures.end(requestRecord({ failure: failure("timeout"), ttftS: 0 }));
  figures.end(requestRecord({ failure: failure("timeout"), ttftS: 0 }));
  expect(watch(figures, 1, 20, () => ({ sent: 4, openLines: 0 })).leftS).toBe(41);
});
