/** Penalties, biases and shortest lengths through the engine: what they count, and that nothing else shows in them. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { LogitAdjuster } from "../../src/engine/adjust.ts";
import type { GenerateRequest, LogitAdjustments, TokenLogprob } from "../../src/engine/api.ts";
import { readEvents } from "../../src/engine/events.ts";
import type { EngineLoop } from "../../src/engine/loop.ts";
import { loadEngine } from "../../src/engine/load.ts";
import type { EngineOptions } from "../../src/engine/options.ts";
import { checkRequest } from "../../src/engine/request.ts";
import { Backend } from "../../src/program/index.ts";
import { nullEngine, nullTokens, nullVocabSize } from "../support/null-engine.ts";
import { draw } from "../support/random-model.ts";

const none: LogitAdjustments = {
  frequencyPenalty: 0,
  presencePenalty: 0,
  repetitionPenalty: 1,
  logitBias: [],
  minNewTokens: 0,
  blockedTokenIds: [],
};

describe("an adjuster", () => {
  test("counts any tokens in any order, ascending by token", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(120)), (tokens) => {
        const adjuster = new LogitAdjuster({ ...none, presencePenalty: 1 });
        const expected = new Map<number, number>();
        for (const token of tokens) {
          adjuster.count(token);
          expected.set(token, (expected.get(token) ?? 0) + 1);
        }
        const pairs = [...expected].sort(([a], [b]) => a - b).flat();
        expect([...adjuster.counts.subarray(0, 2 * adjuster.countedTokens)]).toEqual(pairs);
      }),
    );
  });

  test("counts nothing without penalties", () => {
    const adjuster = new LogitAdjuster({ ...none, logitBias: [[3, 1]] });
    adjuster.count(5);
    expect(adjuster.countedTokens).toBe(0);
  });
});

const greedy = { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 };

describe("a request's adjustments are checked", () => {
  const limits = {
    contextLength: 100,
    maxTotalTokens: 100,
    pageTokens: 16,
    maxRunning: 8,
    vocabSize: 10,
  };
  const check = (adjustments: Partial<LogitAdjustments>) =>
    checkRequest(
      {
        promptIds: Int32Array.of(1),
        maxNewTokens: 5,
        sampling: greedy,
        adjustments: { ...none, ...adjustments },
        stopTokenIds: [],
        logprobs: null,
      },
      limits,
    );
  test.each([
    [{ frequencyPenalty: NaN }, "frequencyPenalty is NaN"],
    [{ presencePenalty: 1e39 }, "presencePenalty is 1e+39"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty is 0"],
    [{ logitBias: [[10, 1]] }, "the bias of token 10 is 1"],
    [{ logitBias: [[1, 1e39]] }, "the bias of token 1 is 1e+39"],
    [{ minNewTokens: 6 }, "minNewTokens is 6 of at most 5"],
    [{ minNewTokens: 1.5 }, "minNewTokens is 1.5"],
    [{ blockedTokenIds: [-1] }, "blocked token -1 is not below 10"],
  ] satisfies [Partial<LogitAdjustments>, string][])("%j", (adjustments, sentence) => {
    expect(() => check(adjustments)).toThrow(sentence);
  });

  test("extremes that single precision cannot hold do not fail a step", () => {
    using engine = nullEngine({ maxRunning: 1, prefillTokens: 8, maxRows: 4, pages: 8 });
    const extreme: GenerateRequest = {
      promptIds: Int32Array.of(1),
      maxNewTokens: 3,
      sampling: { ...greedy, temperature: 1e300, topP: 1e-300 },
      adjustments: { ...none, repetitionPenalty: 1e-300, logitBias: [[3, -3e38]] },
      stopTokenIds: [],
      logprobs: null,
    };
    engine.loop.submit(0, extreme);
    expect(outcomesOf(engine.loop, 1)[0]!.ends).toEqual(["length"]);
  });
});

interface Outcome {
  readonly tokens: number[];
  readonly logprobs: TokenLogprob[];
  readonly promptLogprobs: TokenLogprob[];
  readonly ends: string[];
}

/** Runs the loop until it is idle. */
function outcomesOf(loop: EngineLoop, count: number): Outcome[] {
  const outcomes = Array.from({ length: count }, (): Outcome => {
    return { tokens: [], logprobs: [], promptLogprobs: [], ends: [] };
  });
  while (!loop.idle) {
    loop.turn();
    const events = loop.takeEvents();
    if (events === null) continue;
    readEvents(events, {
      onLoad: () => {},
      onAdmitted: () => {},
      onToken(id, token, logprob) {
        outcomes[id]!.tokens.push(token);
        if (logprob) outcomes[id]!.logprobs.push(logprob);
      },
      onPromptLogprob: (id, logprob) => outcomes[id]!.promptLogprobs.push(logprob),
      onFinish: (id, { type }) => outcomes[id]!.ends.push(type),
    });
  }
  return outcomes;
}

test("on the null backend: every step that any adjustments lead to is valid", () => {
  const adjustments = fc.record({
    frequencyPenalty: fc.constantFrom(0, 0.5),
    presencePenalty: fc.constantFrom(0, -1),
    repetitionPenalty: fc.constantFrom(1, 1.2),
    logitBias: fc.uniqueArray(fc.tuple(fc.nat(nullVocabSize - 1), fc.integer()), {
      selector: ([token]) => token,
      maxLength: 4,
    }),
    minNewTokens: fc.constant(0),
    blockedTokenIds: fc.array(fc.nat(nullVocabSize - 1), { maxLength: 3 }),
  });
  const arrival = fc.record({
    prompt: fc.array(fc.nat(nullVocabSize - 1), { minLength: 1, maxLength: 30 }),
    maxNewTokens: fc.nat(40),
    adjustments,
    min: fc.nat(40),
  });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 8 }), fc.integer({ min: 1, max: 6 }), (list, n) => {
      using engine = nullEngine({ maxRunning: n, prefillTokens: 9, maxRows: 8, pages: 12 });
      list.forEach(({ prompt, maxNewTokens, adjustments: a, min }, id) => {
        engine.loop.submit(id, {
          promptIds: Int32Array.from(prompt),
          maxNewTokens,
          sampling: greedy,
          adjustments: { ...a, minNewTokens: Math.min(min, maxNewTokens) },
          stopTokenIds: [],
          logprobs: null,
        });
      });
      outcomesOf(engine.loop, list.length).forEach(({ tokens, ends }, id) => {
        expect(ends).toEqual(["length"]);
        expect(tokens).toEqual(nullTokens(list[id]!.prompt, list[id]!.maxNewTokens));
      });
    }),
    { numRuns: 200 },
  );
});

/** So few tokens that the alternatives show the whole distribution. */
const vocabSize = 20;
const config = {
  architectures: ["LlamaForCausalLM"],
  torch_dtype: "bfloat16",
  vocab_size: vocabSize,
  hidden_size: 96,
  intermediate_size: 160,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 512,
  tie_word_embeddings: true,
};

function run(requests: readonly GenerateRequest[], options: Partial<EngineOptions> = {}) {
  const engine = loadEngine(
    { config, weights: { kind: "dummy" } },
    { device: "cpu", threads: 2, maxTotalTokens: 4096, ...options },
    Backend.path("cpu"),
  );
  requests.forEach((spec, id) => engine.loop.submit(id, spec));
  const outcomes = outcomesOf(engine.loop, requests.length);
  engine.close();
  return outcomes;
}

const whole: LogitAdjustments = {
  frequencyPenalty: 0.3,
  presencePenalty: 0.4,
  repetitionPenalty: 1.3,
  logitBias: [
    [2, 1.5],
    [7, -2],
  ],
  minNewTokens: 12,
  blockedTokenIds: [3, 5],
};

function request(i: number, changes: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    promptIds: Int32Array.from(draw(`prompt ${i}`, 1 + ((i * 13) % 90)), (b) => b % vocabSize),
    maxNewTokens: 24,
    sampling: { temperature: i % 3 ? 0.9 : 0, topP: 0.97, topK: 15, minP: 0, seed: 50 + i },
    stopTokenIds: [],
    logprobs: { promptStart: -1, topCount: vocabSize },
    ...changes,
  };
}

/** The logprobs of all tokens, by id. */
function distribution({ top }: TokenLogprob): Float64Array {
  const out = new Float64Array(vocabSize);
  for (const { token, logprob } of top) out[token] = logprob;
  return out;
}

describe("on a CPU", () => {
  // A repetition penalty needs the logits themselves; test/program/adjust.test.ts has it.
  test("each draw's distribution is that of the plain model, adjusted for what was generated before", () => {
    const { repetitionPenalty: _, ...others } = whole;
    const adjustments = { ...others, repetitionPenalty: 1 };
    const requests = [1, 2, 4, 5].map((i) => request(i, { adjustments }));
    const outcomes = run(requests);
    const plain = run(
      requests.map(({ promptIds }, i) => ({
        promptIds: Int32Array.from([...promptIds, ...outcomes[i]!.tokens]),
        maxNewTokens: 0,
        sampling: greedy,
        stopTokenIds: [],
        logprobs: { promptStart: promptIds.length, topCount: vocabSize },
      })),
    );
    outcomes.forEach(({ tokens, logprobs }, i) => {
      const counts = new Float64Array(vocabSize);
      expect(plain[i]!.promptLogprobs.length).toBe(tokens.length);
      tokens.forEach((token, at) => {
        const logits = distribution(plain[i]!.promptLogprobs[at]!).map((x, id) => {
          const penalty = counts[id]! * 0.3 + (counts[id]! > 0 ? 0.4 : 0);
          const bias = new Map(adjustments.logitBias).get(id) ?? 0;
          return at < 12 && [3, 5].includes(id) ? -Infinity : (x - penalty + bias) / 0.9;
        });
        const logTotal = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
        const got = distribution(logprobs[at]!);
        logits.forEach((x, id) => {
          if (x === -Infinity) expect(got[id]).toBe(-Infinity);
          else expect(got[id]).toBeCloseTo(x - logTotal, 3);
        });
        counts[token]!++;
      });
    });
  });

  const adjusted = Array.from({ length: 32 }, (_, i) =>
    request(i, i % 4 === 3 ? {} : { adjustments: { ...whole, minNewTokens: i % 24 } }),
  );

  for (const dtype of ["bfloat16", "float32"] as const) {
    test(`${dtype}: alone, among 31 others and in chunks, to the bit`, () => {
      const alone = [0, 1, 2, 3, 13, 31].map((i) => run([adjusted[i]!], { dtype })[0]!);
      for (const chunkedPrefillSize of [3, 16, 512]) {
        const together = run(adjusted, { dtype, chunkedPrefillSize, maxRunning: 32 });
        expect([0, 1, 2, 3, 13, 31].map((i) => together[i]!)).toEqual(alone);
      }
      expect(run(adjusted, { dtype, maxRunning: 5 })[13]).toEqual(alone[4]!);
    });
  }

  test("without any one of them the outcome is another", () => {
    const outcomeOf = (adjustments: LogitAdjustments) =>
      JSON.stringify(run([request(2, { adjustments })])[0]);
    const without = (Object.keys(none) as (keyof LogitAdjustments)[]).map((name) =>
      outcomeOf({ ...whole, [name]: none[name] }),
    );
    // Without a shortest length nothing is blocked, and the other way round.
    expect(new Set([outcomeOf(whole), ...without]).size).toBe(1 + without.length - 1);
    expect(outcomeOf(none)).toBe(JSON.stringify(run([request(2)])[0]));
  });

  test("stop tokens do not come before the shortest length, and may right after it", () => {
    const all = Array.from({ length: vocabSize - 1 }, (_, id) => id);
    const adjustments = { ...none, minNewTokens: 7, blockedTokenIds: all };
    const [outcome] = run([
      request(0, { adjustments, stopTokenIds: all, logprobs: null, maxNewTokens: 100 }),
    ]);
    expect(outcome!.tokens.slice(0, 7)).toEqual(Array(7).fill(vocabSize - 1));
    expect(outcome!.ends).toEqual(["stop"]);
    expect(outcome!.tokens.length).toBeGreaterThan(7);
  });

  test("biases that leave no token end the request and no other", () => {
    const blockedTokenIds = Array.from({ length: vocabSize }, (_, id) => id);
    const outcomes = run([
      request(1),
      request(2, { adjustments: { ...none, minNewTokens: 1, blockedTokenIds } }),
    ]);
    expect(outcomes.map(({ ends }) => ends)).toEqual([["length"], ["abort"]]);
  });
});
