/** Proves that everything due is sent once and in order, never early, and that an abort ends the waiting. */
import { expect, test } from "bun:test";
import { pace } from "../../src/bench/pacer.ts";

const timesOf = (dueS: Float64Array) => ({ count: dueS.length, dueS: (i: number) => dueS[i]! });

test("sends each index once, in order, not before it is due", async () => {
  const dueS = Float64Array.from({ length: 200 }, (_, i) => Math.floor(i / 50) * 0.01);
  const startMs = performance.now();
  const sent: number[] = [];
  await pace(timesOf(dueS), startMs, new AbortController().signal, (index) => {
    expect(performance.now()).toBeGreaterThanOrEqual(startMs + dueS[index]! * 1000);
    sent.push(index);
  });
  expect(sent).toEqual(Array.from(dueS.keys()));
});

test("lets the event loop turn within a burst", async () => {
  let turns = 0;
  let spinning = true;
  const count = (): void => {
    turns++;
    if (spinning) setImmediate(count);
  };
  setImmediate(count);
  await pace(
    timesOf(new Float64Array(320)),
    performance.now(),
    new AbortController().signal,
    () => {},
  );
  spinning = false;
  expect(turns).toBeGreaterThanOrEqual(5);
});

test("an abort ends a long wait and a burst", async () => {
  const controller = new AbortController();
  const sent: number[] = [];
  await pace(
    timesOf(Float64Array.of(0, 0, 3600)),
    performance.now(),
    controller.signal,
    (index) => {
      sent.push(index);
      if (index === 1) setTimeout(() => controller.abort(), 5);
    },
  );
  expect(sent).toEqual([0, 1]);
  await pace(timesOf(new Float64Array(9)), performance.now(), controller.signal, () =>
    expect.unreachable(),
  );
});
