/** The engine through its thread: what the server sees. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  startEngine,
  type Engine,
  type EngineOptions,
  type FinishReason,
  type GenerateRequest,
  type TokenLogprob,
} from "../../src/engine/index.ts";
import { nullTokens, nullVocabSize, smallestConfig } from "../support/null-engine.ts";

const dummy = { kind: "dummy" } as const;
const start = (options: Partial<EngineOptions> = {}, config: object = smallestConfig) =>
  startEngine({ config, weights: dummy }, { device: "null", maxTotalTokens: 4096, ...options });

function request(promptIds: number[], changes: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    promptIds: Int32Array.from(promptIds),
    maxNewTokens: 5,
    sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
    stopTokenIds: [],
    logprobs: null,
    ...changes,
  };
}

interface Outcome {
  tokens: number[];
  logprobs: (TokenLogprob | null)[];
  prompt: readonly TokenLogprob[] | null;
  reason: FinishReason;
}

/** Submits a request and resolves with all that came of it. */
function generate(engine: Engine, spec: GenerateRequest, onFirst = (_id: number) => {}) {
  return new Promise<Outcome>((resolve) => {
    const outcome: Omit<Outcome, "reason"> = { tokens: [], logprobs: [], prompt: null };
    const id = engine.submit(spec, {
      onAdmitted() {},
      onPromptLogprobs(logprobs) {
        expect(outcome.prompt).toBeNull();
        expect(outcome.tokens).toEqual([]);
        outcome.prompt = logprobs;
      },
      onToken(token, logprob) {
        if (outcome.tokens.push(token) === 1) onFirst(id);
        outcome.logprobs.push(logprob);
      },
      onFinish: (reason) => resolve({ ...outcome, reason }),
    });
  });
}

/** The two alternatives that the null backend reports with a token. */
const top = (token: number) => [
  { token, logprob: -1 },
  { token: (token + 1) % nullVocabSize, logprob: -2 },
];

describe("an engine", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await start({ maxRunning: 8, chunkedPrefillSize: 32 });
  });
  afterAll(() => engine.close());

  test("says what it is and what fits", () => {
    expect(engine.device).toBe("null");
    expect(engine.limits).toEqual({
      contextLength: 4096,
      maxTotalTokens: 4096,
      pageTokens: 16,
      maxRunning: 8,
      vocabSize: nullVocabSize,
    });
  });

  test("serves many requests at once, each its own tokens", async () => {
    const prompts = Array.from({ length: 50 }, (_, i) =>
      Array.from({ length: 1 + ((i * 7) % 60) }, (__, j) => (i * 31 + j) % nullVocabSize),
    );
    const outcomes = await Promise.all(prompts.map((prompt) => generate(engine, request(prompt))));
    outcomes.forEach(({ tokens, reason, logprobs, prompt }, i) => {
      expect(tokens).toEqual(nullTokens(prompts[i]!, 5));
      expect(reason).toEqual({ type: "length" });
      expect(logprobs).toEqual(Array.from({ length: 5 }, () => null));
      expect(prompt).toBeNull();
    });
    const { running, waiting, usedTokens, totals } = engine.load();
    expect({ running, waiting, usedTokens }).toEqual({ running: 0, waiting: 0, usedTokens: 0 });
    expect(totals.generatedTokens).toBe(5 * prompts.length);
    expect(totals.steps).toBeGreaterThanOrEqual(5);
  });

  test("reports logprobs of prompt and output", async () => {
    const prompt = [3, 1, 4, 1, 5];
    const spec = { logprobs: { promptStart: 0, topCount: 2 }, maxNewTokens: 1 };
    const outcome = await generate(engine, request(prompt, spec));
    const [token] = nullTokens(prompt, 1);
    expect(outcome.prompt).toEqual([
      { token: 3, logprob: null, top: [] },
      ...prompt.slice(1).map((id) => ({ token: id, logprob: -1, top: top(id) })),
    ]);
    expect(outcome.logprobs).toEqual([{ token: token!, logprob: -1, top: top(token!) }]);
  });

  test("computes only a prompt", async () => {
    const outcome = await generate(
      engine,
      request([7, 8], { maxNewTokens: 0, logprobs: { promptStart: 1, topCount: 0 } }),
    );
    expect(outcome.tokens).toEqual([]);
    expect(outcome.prompt).toEqual([{ token: 8, logprob: -1, top: [] }]);
    expect(outcome.reason).toEqual({ type: "length" });
  });

  test("aborts one request and lets the others be", async () => {
    const long = generate(engine, request([1], { maxNewTokens: 4000 }), (id) => engine.abort(id));
    const other = generate(engine, request([2], { maxNewTokens: 40 }));
    expect((await long).reason).toMatchObject({ type: "abort" });
    expect((await other).tokens).toEqual(nullTokens([2], 40));
    expect(engine.load().usedTokens).toBe(0);
    engine.abort(12345);
  });

  test.each([
    ["an empty prompt", request([]), /prompt is empty/],
    ["too many tokens", request([1], { maxNewTokens: 4096 }), /needs 4097 tokens.*at most 4096/],
    ["an unknown token", request([nullVocabSize]), /token 1000 is not below 1000/],
    ["a negative count", request([1], { maxNewTokens: -1 }), /maxNewTokens is -1/],
    [
      "too many alternatives",
      request([1], { logprobs: { promptStart: -1, topCount: 21 } }),
      /topCount is 21/,
    ],
  ])("refuses %s", (_name, spec, message) => {
    const submit = () =>
      engine.submit(spec, { onAdmitted() {}, onPromptLogprobs() {}, onToken() {}, onFinish() {} });
    expect(submit).toThrow(RangeError);
    expect(submit).toThrow(message);
  });
});

test.each([
  { temperature: 1e308 },
  { temperature: 1, topP: 1e-300 },
  { temperature: 1, topK: 2 ** 32 },
  { temperature: 1, topK: Number.MAX_SAFE_INTEGER },
  { temperature: 1, minP: 1e-300, seed: Number.MAX_SAFE_INTEGER },
])("numbers that the device cannot hold do not fail a step: %p", async (sampling) => {
  const engine = await start();
  const all = { topP: 1, topK: -1, minP: 0, seed: 0, ...sampling };
  const { reason } = await generate(engine, request([1], { sampling: all }));
  expect(reason).toEqual({ type: "length" });
  await engine.close();
});

describe("a dummy model on the CPU", () => {
  test("draws only ids that it may", async () => {
    const allowed = [17, 250, 251, 999];
    const drawableIds = Int32Array.of(...allowed, nullVocabSize + 5); // the last is another vocabulary's
    const engine = await start({
      device: "cpu",
      threads: 1,
      drawableIds,
      chunkedPrefillSize: 8,
    });
    const sampling = { temperature: 1, topP: 1, topK: -1, minP: 0, seed: 3 };
    const prompt = Array.from({ length: 30 }, (_, i) => i);
    const logprobs = { promptStart: -1, topCount: 4 };
    const { tokens, ...outcome } = await generate(
      engine,
      request(prompt, { maxNewTokens: 200, sampling, logprobs }),
    );
    expect([...new Set(tokens)].sort((a, b) => a - b)).toEqual(allowed);
    for (const { top: alternatives } of outcome.logprobs as TokenLogprob[]) {
      expect(alternatives.map(({ token }) => token).toSorted((a, b) => a - b)).toEqual(allowed);
      const total = alternatives.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
      expect(total).toBeCloseTo(1, 4);
    }
    expect(engine.device).toMatch(/^cpu \w+, 1 thread$/);
    await engine.close();
  });
});

test("closing aborts what runs, and then nothing more is taken", async () => {
  const engine = await start({ stepUs: 1000 });
  const outcome = await new Promise<Outcome>((resolve) => {
    const finished = generate(engine, request([1], { maxNewTokens: 4000 }), () => {
      void engine.close().then(async () => resolve(await finished));
    });
  });
  expect(outcome.reason.type).toBe("abort");
  expect(outcome.tokens).toEqual(nullTokens([1], outcome.tokens.length));
  expect(() =>
    engine.submit(request([1]), {
      onAdmitted() {},
      onPromptLogprobs() {},
      onToken() {},
      onFinish() {},
    }),
  ).toThrow(/closed/);
  await engine.close();
});

test("when its thread fails, an engine says why and ends what runs", async () => {
  const engine = await start({ stepUs: 1000 });
  const long = generate(engine, request([1], { maxNewTokens: 4000 }));
  // Not a request by its type: the thread stumbles over it.
  const bad = generate(engine, request([2], { stopTokenIds: null as unknown as number[] }));
  const message = expect.stringMatching(/^The engine's thread failed: .*null/);
  expect(await engine.ended).toEqual(message);
  expect((await long).reason).toEqual({ type: "abort", message });
  expect((await bad).reason).toEqual({ type: "abort", message });
  expect(() =>
    engine.submit(request([1]), {
      onAdmitted() {},
      onPromptLogprobs() {},
      onToken() {},
      onFinish() {},
    }),
  ).toThrow(/thread failed/);
  await engine.close();
});

test.each([
  ["a config that is not one", {}, { architectures: ["Nope"] }, /architectures is \["Nope"\]/],
  ["a context too long", { contextLength: 5000 }, {}, /context length 5000 .*4096/],
  [
    "a fraction of nothing",
    { maxTotalTokens: undefined, memFractionStatic: 2 },
    {},
    /memFractionStatic is 2/,
  ],
  ["no request at all", { maxRunning: 0 }, {}, /maxRunning is 0/],
])("an engine does not start on %s", async (_name, options, config, message) => {
  const given = options as Partial<EngineOptions>;
  await expect(start(given, { ...smallestConfig, ...config })).rejects.toThrow(message);
});
