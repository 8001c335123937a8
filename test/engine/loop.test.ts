/** The step loop on the null backend, whose tokens depend on a request alone: every request can be checked exactly. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { FinishReason, GenerateRequest, RatedToken } from "../../src/engine/api.ts";
import { readEvents } from "../../src/engine/events.ts";
import type { EngineLoop } from "../../src/engine/loop.ts";
import {
  nullEngine,
  nullTokens,
  nullVocabSize,
  type NullEngine,
  type NullLimits,
} from "../support/null-engine.ts";

const greedy = { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 };

function generate(promptIds: number[], changes: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    promptIds: Int32Array.from(promptIds),
    maxNewTokens: 4,
    sampling: greedy,
    stopTokenIds: [],
    logprobs: null,
    ...changes,
  };
}

const ignore = () => {};

/** All that a request has been told. */
class Outcome {
  readonly tokens: number[] = [];
  readonly promptTokens: number[] = [];
  readonly finishes: FinishReason[] = [];
  topCounts = new Set<number>();
  /** Logprobs of the tokens that were asked for, of prompt and output. */
  readonly asked: (readonly RatedToken[] | undefined)[] = [];
  admissions = 0;
}

/** Reads what the loop has to say into the outcomes; unknown and ended requests must not be spoken of. */
function collect(loop: EngineLoop, outcomes: Map<number, Outcome>): void {
  const message = loop.takeEvents();
  const open = (id: number) => {
    const outcome = outcomes.get(id);
    if (!outcome || outcome.finishes.length > 0) throw new Error(`event for request ${id}`);
    return outcome;
  };
  if (message === null) return;
  readEvents(message, {
    onLoad: () => {},
    onAdmitted: (id) => open(id).admissions++,
    onToken(id, token, logprob) {
      open(id).tokens.push(token);
      if (logprob) open(id).topCounts.add(logprob.top.length);
      if (logprob) open(id).asked.push(logprob.asked);
    },
    onPromptLogprob(id, logprob) {
      open(id).asked.push(logprob.asked);
      expect(open(id).tokens).toEqual([]);
      open(id).promptTokens.push(logprob.token);
      open(id).topCounts.add(logprob.top.length);
    },
    onFinish: (id, reason) => open(id).finishes.push(reason),
  });
}

/** Runs requests to their end on a fresh loop. */
function runAll(requests: GenerateRequest[], limits: Partial<NullLimits> = {}): Outcome[] {
  const base = { maxRunning: 4, prefillTokens: 16, maxRows: 8, pages: 64 };
  using engine = nullEngine({ ...base, ...limits });
  return runOn(engine, requests);
}

function runOn(engine: NullEngine, requests: GenerateRequest[]): Outcome[] {
  const outcomes = new Map(requests.map((_, id) => [id, new Outcome()]));
  requests.forEach((request, id) => engine.loop.submit(id, request));
  while (!engine.loop.idle) {
    engine.loop.turn();
    engine.scheduler.checkIntegrity();
    collect(engine.loop, outcomes);
  }
  expect(engine.scheduler.cache.availableCount).toBe(engine.scheduler.cache.pool.size);
  return [...outcomes.values()];
}

/** The null backend gives the token after the drawn one by i the logprob -1 - i. */
const rated = (drawn: number, ids: number[]) =>
  ids.map((token) => ({
    token,
    logprob: -1 - ((token - drawn + nullVocabSize) % nullVocabSize),
  }));

describe("a request", () => {
  test("is said to run as soon as it does, before its first token", () => {
    using engine = nullEngine({ maxRunning: 1, prefillTokens: 4, maxRows: 4, pages: 64 });
    const loads: object[] = [];
    const events: string[] = [];
    for (const id of [1, 2]) engine.loop.submit(id, generate(Array(20).fill(3)));
    for (let turn = 0; turn < 3; turn++) {
      engine.loop.turn();
      const message = engine.loop.takeEvents();
      if (!message) continue;
      readEvents(message, {
        onLoad: ({ running, waiting, usedTokens }) => loads.push([running, waiting, usedTokens]),
        onAdmitted: (id) => events.push(`admitted ${id}`),
        onToken: (id) => events.push(`token of ${id}`),
        onPromptLogprob: () => {},
        onFinish: () => {},
      });
    }
    expect(loads).toEqual([[1, 1, 16]]);
    expect(events).toEqual(["admitted 1"]);
    engine.loop.abortAll();
  });

  test("gets its tokens in order and ends with its length", () => {
    const [outcome] = runAll([generate([5, 6, 7], { maxNewTokens: 6 })]);
    expect(outcome!.tokens).toEqual(nullTokens([5, 6, 7], 6));
    expect(outcome!.finishes).toEqual([{ type: "length" }]);
  });

  test("ends with a stop token, which is delivered last, though the next step already runs", () => {
    const all = nullTokens([9], 20);
    const stop = all[7]!;
    const [outcome] = runAll([
      generate([9], { maxNewTokens: 20, stopTokenIds: [nullVocabSize, stop] }),
    ]);
    expect(outcome!.tokens).toEqual(all.slice(0, all.indexOf(stop) + 1));
    expect(outcome!.finishes).toEqual([{ type: "stop", tokenId: stop }]);
  });

  test("may ask for no token at all", () => {
    const [outcome] = runAll([generate([1, 2, 3], { maxNewTokens: 0 })]);
    expect(outcome!.tokens).toEqual([]);
    expect(outcome!.finishes).toEqual([{ type: "length" }]);
  });

  test("gets logprobs of its prompt before its tokens, in as many steps as the rows of a step demand", () => {
    const prompt = Array.from({ length: 50 }, (_, i) => i);
    const logprobs = { promptStart: 10, topCount: 3 };
    const [outcome] = runAll([generate(prompt, { logprobs })], {
      maxRows: 4,
      prefillTokens: 32,
    });
    expect(outcome!.promptTokens).toEqual(prompt.slice(10));
    expect(outcome!.tokens).toEqual(nullTokens(prompt, 4));
    expect(outcome!.topCounts).toEqual(new Set([3]));
  });

  test("gets the logprobs of the tokens that it asks for, whatever its neighbours ask", () => {
    const prompt = [5, 6, 7, 8];
    const ask = (logprobs: GenerateRequest["logprobs"]) => generate(prompt, { logprobs });
    const askedIds = [9, 0, 999];
    const [asking, plain, both] = runAll([
      ask({ promptStart: 1, topCount: 0, askedIds }),
      ask({ promptStart: -1, topCount: 2 }),
      ask({ promptStart: -1, topCount: 3, askedIds: [1] }),
    ]);
    const output = nullTokens(prompt, 4);
    const all = [...prompt.slice(1), ...output];
    expect(asking!.asked).toEqual(all.map((token) => rated(token, askedIds)));
    expect(plain!.asked).toEqual(output.map(() => undefined));
    expect(both!.asked).toEqual(output.map((token) => rated(token, [1])));
    expect(both!.topCounts).toEqual(new Set([3]));
  });

  test("whose step fails ends with the reason; the others are not disturbed", () => {
    // Token 5000 is not in the vocabulary: the backend refuses the step (the host would have refused the request).
    const bad = generate([5000]);
    const outcomes = runAll([generate([1]), bad, generate([2])], { maxRunning: 1 });
    expect(outcomes[1]!.finishes[0]).toMatchObject({ type: "abort" });
    expect((outcomes[1]!.finishes[0] as { message: string }).message).toMatch(/step.*5000/s);
    expect(outcomes[0]!.tokens).toEqual(nullTokens([1], 4));
    expect(outcomes[2]!.tokens).toEqual(nullTokens([2], 4));
  });
});

test("requests are admitted first come, first served, though a later one would fit", () => {
  const long = Array.from({ length: 40 }, (_, i) => i);
  using engine = nullEngine({ maxRunning: 4, prefillTokens: 64, maxRows: 8, pages: 5 });
  [generate(long), generate(long), generate([1])].forEach((request, id) =>
    engine.loop.submit(id, request),
  );
  engine.loop.turn();
  expect([engine.scheduler.runningCount, engine.scheduler.waitingCount]).toEqual([1, 2]);
  engine.loop.abortAll();
});

test("a later request takes the pages that an earlier one has computed, alive or ended", () => {
  const shared = Array.from({ length: 70 }, (_, i) => i);
  const limits = { maxRunning: 4, prefillTokens: 64, maxRows: 8, pages: 20 };
  using engine = nullEngine(limits);
  const first = runOn(engine, [
    generate([...shared, 1, 2]),
    generate(shared, { maxNewTokens: 30 }),
  ]);
  expect(first.map((outcome) => outcome.tokens)).toEqual([
    nullTokens([...shared, 1, 2], 4),
    nullTokens(shared, 30),
  ]);
  const before = engine.scheduler.totals.cachedTokens;
  runOn(engine, [generate([...shared, 5])]);
  expect(engine.scheduler.totals.cachedTokens - before).toBe(64);
  // Prompt logprobs need their positions computed.
  runOn(engine, [generate([...shared, 6], { logprobs: { promptStart: 20, topCount: 0 } })]);
  expect(engine.scheduler.totals.cachedTokens - before).toBe(64 + 16);
});

test("when the pool runs out, requests give way, come again, and end with the same tokens", () => {
  const prompts = Array.from({ length: 12 }, (_, i) => [...Array(20).keys()].map((j) => i + j));
  const requests = prompts.map((prompt) => generate(prompt, { maxNewTokens: 60 }));
  const limits = {
    maxRunning: 12,
    prefillTokens: 64,
    maxRows: 12,
    pages: 12,
    conservativeness: 0.1,
  };
  using engine = nullEngine(limits);
  const outcomes = runOn(engine, requests);
  expect(outcomes.map(({ tokens }) => tokens)).toEqual(prompts.map((p) => nullTokens(p, 60)));
  expect(engine.scheduler.totals.retractions).toBeGreaterThan(0);
  const admissions = outcomes.reduce((sum, outcome) => sum + outcome.admissions, 0);
  expect(admissions).toBe(12 + engine.scheduler.totals.retractions);
});

test("lpm admits the longest cached prefix first", () => {
  const shared = Array.from({ length: 48 }, (_, i) => i);
  const limits = {
    maxRunning: 1,
    prefillTokens: 64,
    maxRows: 8,
    pages: 20,
    policy: "lpm",
  } as const;
  using engine = nullEngine(limits);
  runOn(engine, [generate(shared)]);
  engine.loop.submit(10, generate([7, 8, 9]));
  engine.loop.submit(11, generate([...shared.slice(0, 20), 5]));
  engine.loop.submit(12, generate([...shared, 5]));
  const order: number[] = [];
  while (!engine.loop.idle) {
    engine.loop.turn();
    const message = engine.loop.takeEvents();
    if (!message) continue;
    readEvents(message, {
      onLoad: ignore,
      onToken: ignore,
      onPromptLogprob: ignore,
      onAdmitted: ignore,
      onFinish: (id) => order.push(id),
    });
  }
  expect(order).toEqual([12, 11, 10]);
});

test("a page that nobody has given back is found", () => {
  using engine = nullEngine({ maxRunning: 1, prefillTokens: 8, maxRows: 4, pages: 4 });
  const page = engine.scheduler.cache.take();
  expect(() => engine.loop.checkIntegrity()).toThrow(`KV page ${page} is neither free nor held`);
  engine.scheduler.cache.release(page);
  engine.loop.checkIntegrity();
});

test("prompts that must not be cut share a step only if they fit it together", () => {
  const limits = { maxRunning: 4, prefillTokens: 20, chunked: false, maxRows: 8, pages: 64 };
  using engine = nullEngine(limits);
  const lengths = [50, 12, 8, 1]; // the first has a step of its own
  lengths.forEach((length, id) => {
    const prompt = Array.from({ length }, (_, i) => 100 * id + i);
    engine.loop.submit(id, generate(prompt, { maxNewTokens: 1 }));
  });
  const { totals } = engine.scheduler;
  const computed: number[] = [];
  while (!engine.loop.idle) {
    const before = totals.prefillTokens;
    engine.loop.turn();
    if (totals.prefillTokens > before) computed.push(totals.prefillTokens - before);
  }
  expect(computed).toEqual([50, 20]);
});

/**
 * One request of a random run. Its prompt is a piece of one of two texts, so that requests share prefixes, and a tail
 * of its own.
 */
const arrival = fc.record({
  turn: fc.nat(12),
  text: fc.nat(1),
  sharedLength: fc.nat(25),
  tail: fc.array(fc.nat(3), { minLength: 1, maxLength: 10 }),
  maxNewTokens: fc.nat(45),
  /** Which of its own tokens shall stop it; beyond the last: none. */
  stopAt: fc.nat(60),
  abortAfter: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.nat(15) },
  ),
  promptStart: fc.oneof(fc.constant(null), fc.integer({ min: -1, max: 60 })),
});
const limits = fc.record({
  maxRunning: fc.integer({ min: 1, max: 6 }),
  prefillTokens: fc.integer({ min: 1, max: 40 }),
  maxRows: fc.integer({ min: 6, max: 10 }),
  pages: fc.integer({ min: 5, max: 10 }), // 5 pages hold the longest request
  pageTokens: fc.constantFrom(16, 32),
  prefixCache: fc.boolean(),
  chunked: fc.boolean(),
  policy: fc.constantFrom("fcfs" as const, "lpm" as const),
  conservativeness: fc.constantFrom(0.05, 1),
});

test("whatever arrives and is aborted, every request is accounted for exactly once", () => {
  const seen = { retractions: 0, cachedTokens: 0, aborts: 0 };
  const property = (engineLimits: NullLimits, arrivals: Arrival[], readerTurns: number) => {
    using engine = nullEngine(engineLimits);
    const { loop, scheduler } = engine;
    const requests = arrivals.map(requestOf);
    const outcomes = new Map<number, Outcome>();
    for (let turn = 0; turn <= 60 || !loop.idle; turn++) {
      arrivals.forEach((next, id) => {
        if (next.turn === turn) {
          outcomes.set(id, new Outcome());
          loop.submit(id, requests[id]!);
        }
        if (next.abortAfter !== null && next.turn + next.abortAfter === turn) loop.abort(id);
      });
      loop.turn();
      scheduler.checkIntegrity();
      if (turn % readerTurns === 0) collect(loop, outcomes); // a slow reader takes many steps at once
    }
    collect(loop, outcomes);
    expect(scheduler.cache.availableCount).toBe(engineLimits.pages);
    expect(scheduler.flushCache()).toBe(true);
    expect(scheduler.cache.pool.freeCount).toBe(engineLimits.pages);
    arrivals.forEach((next, id) => checkOutcome(next, requests[id]!, outcomes.get(id)!));
    seen.retractions += scheduler.totals.retractions;
    seen.cachedTokens += scheduler.totals.cachedTokens;
    for (const { finishes } of outcomes.values()) if (finishes[0]!.type === "abort") seen.aborts++;
  };
  const readers = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(limits, fc.array(arrival, { minLength: 4, maxLength: 25 }), readers, property),
    {
      numRuns: Number(process.env["SERVEBENCH_SCENARIOS"] ?? 10_000),
    },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});

type Arrival = typeof arrival extends fc.Arbitrary<infer T> ? T : never;

function requestOf(next: Arrival): GenerateRequest {
  const { text, sharedLength, tail, maxNewTokens, stopAt, promptStart } = next;
  const prompt = [...Array.from({ length: sharedLength }, (_, i) => 100 * text + i), ...tail];
  const stop = nullTokens(prompt, maxNewTokens)[stopAt];
  const start = promptStart === null ? null : Math.min(promptStart, prompt.length);
  return generate(prompt, {
    maxNewTokens,
    stopTokenIds: stop === undefined ? [] : [stop],
    logprobs: start === null ? null : { promptStart: start, topCount: 2 },
  });
}

function checkOutcome(
  { abortAfter }: { abortAfter: number | null },
  { promptIds, maxNewTokens, stopTokenIds, logprobs }: GenerateRequest,
  { tokens, promptTokens, finishes }: Outcome,
): void {
  const all = nullTokens(promptIds, maxNewTokens);
  const stopped = all.findIndex((token) => stopTokenIds.includes(token));
  const whole = stopped < 0 ? all : all.slice(0, stopped + 1);
  const start = logprobs?.promptStart ?? -1;
  const prompt = start < 0 ? [] : [...promptIds.subarray(Math.max(start, 1))];
  expect(finishes.length).toBe(1);
  if (finishes[0]!.type === "abort") {
    expect(abortAfter).not.toBeNull();
    expect(tokens).toEqual(whole.slice(0, tokens.length));
    expect(promptTokens).toEqual(prompt.slice(0, promptTokens.length));
  } else {
    expect(tokens).toEqual(whole);
    expect(promptTokens).toEqual(prompt);
    expect(finishes[0]!.type).toBe(stopped < 0 ? "length" : "stop");
  }
}
