/** The log lines that tools for SGLang look for, from totals as an engine reports them. */
import { expect, test } from "bun:test";
import type { EngineTotals } from "../../src/engine/api.ts";
import { idleLoad } from "../../src/engine/totals.ts";
import { ReplicaWatch } from "../../src/server/engine-watch.ts";

const load = (running: number, totals: Partial<EngineTotals>, waiting = 3) => ({
  ...idleLoad,
  running,
  waiting,
  usedTokens: 820,
  totals: { ...idleLoad.totals, ...totals },
});

test("a decode line comes every so many decode steps, with the throughput since the last", () => {
  const lines: string[] = [];
  const watch = new ReplicaWatch(1000, (line) => lines.push(line), 4);
  // 2 requests, 10 ms and 2 tokens a step; 100 us of each waiting for the host.
  for (let step = 0; step <= 8; step++) {
    watch.step(
      load(2, { steps: step, generatedTokens: 2 * step, idleUs: 100 * step }),
      1000 + 10 * step,
    );
  }
  expect(lines).toEqual(
    Array(2).fill(
      "Decode batch. #running-req: 2, #token: 820, token usage: 0.82, gen throughput (token/s): 200.00, #queue-req: 3",
    ),
  );
  expect(watch.recentIdleUsPerStep).toBe(100);
  watch.step(load(0, { steps: 8, generatedTokens: 16 }, 0), 2000);
  expect([watch.genThroughput, watch.lastGenThroughput]).toEqual([0, 200]);
});

test("time in which nothing ran is not part of the throughput", () => {
  const lines: string[] = [];
  const watch = new ReplicaWatch(1000, (line) => lines.push(line), 4);
  watch.step(load(1, { steps: 1, generatedTokens: 1 }), 0);
  watch.step(load(0, { steps: 2, generatedTokens: 2 }), 10);
  watch.step(load(1, { steps: 3, generatedTokens: 3 }), 60_000);
  watch.step(load(1, { steps: 4, generatedTokens: 4 }), 60_010);
  expect(lines).toEqual([expect.stringContaining("gen throughput (token/s): 100.00")]);
});

test("a prefill line gathers the prompts of several steps", () => {
  const lines: string[] = [];
  const watch = new ReplicaWatch(1000, (line) => lines.push(line), 40);
  watch.step(load(1, { admissions: 1, prefillTokens: 100, cachedTokens: 0 }));
  watch.step(load(3, { admissions: 3, prefillTokens: 300, cachedTokens: 100 }));
  watch.close();
  expect(lines).toEqual([
    "Prefill batch. #new-seq: 3, #new-token: 300, #cached-token: 100, cache hit rate: 25.00%, #running-req: 3, #queue-req: 3",
  ]);
  watch.step(load(3, { steps: 1, admissions: 3, prefillTokens: 300, cachedTokens: 100 }));
  watch.close();
  expect(lines.length).toBe(1);
});
