/** One engine over thousands of requests: what a few requests would not show is a page lost now and then. */
import { expect, test } from "bun:test";
import { readEvents } from "../../src/engine/events.ts";
import { Dice } from "../../scripts/bench/chaos-clients/dice.ts";
import { nullEngine, nullTokens, nullVocabSize } from "../support/null-engine.ts";

const requestCount = 10_000;
/** Waiting and running at the same time; more than the pool can hold. */
const openMax = 24;

test("after 10,000 random requests every page of the pool is free or evictable, and each has had its tokens", () => {
  const dice = new Dice(3);
  const ids = (count: number) =>
    Array.from({ length: count }, () => dice.integer(0, nullVocabSize - 1));
  const prefixes = Array.from({ length: 5 }, (_, i) => ids(16 * i + 7));
  using engine = nullEngine({ maxRunning: 8, prefillTokens: 48, maxRows: 8, pages: 40 });
  const { loop, scheduler } = engine;
  const open = new Map<number, { prompt: number[]; maxNewTokens: number; tokens: number[] }>();
  let submitted = 0;
  let aborted = 0;
  while (submitted < requestCount || open.size > 0) {
    while (submitted < requestCount && open.size < openMax) {
      const prompt = [...dice.pick(prefixes), ...ids(dice.skewed(1, 200))];
      const maxNewTokens = dice.skewed(1, 150);
      open.set(submitted, { prompt, maxNewTokens, tokens: [] });
      loop.submit(submitted++, {
        promptIds: Int32Array.from(prompt),
        maxNewTokens,
        sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
        stopTokenIds: [],
        logprobs: null,
      });
    }
    if (dice.chance(0.02)) loop.abort(dice.pick([...open.keys()]));
    loop.turn();
    if (dice.chance(0.01)) scheduler.checkIntegrity();
    const message = loop.takeEvents();
    if (message === null) continue;
    readEvents(message, {
      onLoad: () => {},
      onAdmitted: () => {},
      onPromptLogprob: () => {},
      onToken: (id, token) => void open.get(id)!.tokens.push(token),
      onFinish(id, reason) {
        const { prompt, maxNewTokens, tokens } = open.get(id)!;
        open.delete(id);
        if (reason.type === "abort") aborted++;
        else expect(tokens).toEqual(nullTokens(prompt, maxNewTokens));
      },
    });
  }
  while (!loop.idle) loop.turn();
  scheduler.checkIntegrity();
  expect(scheduler.cache.availableCount).toBe(scheduler.cache.pool.size);
  expect(loop.flushCache()).toBe(true);
  expect(scheduler.cache.pool.freeCount).toBe(scheduler.cache.pool.size);
  expect([aborted > 0, scheduler.totals.retractions > 0]).toEqual([true, true]);
});
