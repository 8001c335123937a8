/** On a CPU a request's tokens depend on the request alone, whatever else runs and however its prompt is cut. */
import { expect, test } from "bun:test";
import type { GenerateRequest } from "../../src/engine/api.ts";
import { readEvents } from "../../src/engine/events.ts";
import { loadEngine } from "../../src/engine/load.ts";
import type { EngineOptions } from "../../src/engine/options.ts";
import { Backend } from "../../src/program/index.ts";
import { draw } from "../support/random-model.ts";

const config = {
  architectures: ["LlamaForCausalLM"],
  torch_dtype: "bfloat16",
  vocab_size: 500,
  hidden_size: 96,
  intermediate_size: 160,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 32,
  max_position_embeddings: 512,
  tie_word_embeddings: true,
};

const prompts = [1, 5, 16, 17, 33, 70, 100].map((length, i) => draw(`prompt ${i}`, length));
const requests = prompts.map((prompt, i): GenerateRequest => ({
  promptIds: Int32Array.from(prompt, (bits) => bits % config.vocab_size),
  maxNewTokens: 20,
  sampling: { temperature: i % 2, topP: 0.95, topK: 100, minP: 0, seed: 1000 + i },
  stopTokenIds: [],
  logprobs: { promptStart: 0, topCount: 1 },
}));

/** What the engines of all runs have done. */
const seen = { cachedTokens: 0, retractions: 0 };

/** Every token and logprob that each request is told. */
function run(some: readonly GenerateRequest[], options: Partial<EngineOptions>): string[] {
  const weights = { kind: "dummy" } as const;
  const engine = loadEngine(
    { config, weights },
    { device: "cpu", threads: 2, maxTotalTokens: 2048, ...options },
    Backend.path("cpu"),
  );
  const heard = some.map(() => "");
  const note = (id: number, what: unknown) => (heard[id] += `${JSON.stringify(what)}\n`);
  some.forEach((request, id) => engine.loop.submit(id, request));
  while (!engine.loop.idle) {
    engine.loop.turn();
    const events = engine.loop.takeEvents();
    if (events === null) continue;
    readEvents(events, {
      onLoad: ({ cachedTokens, retractions }) => {
        seen.cachedTokens += cachedTokens;
        seen.retractions += retractions;
      },
      onAdmitted: () => {},
      onToken: (id, _token, logprob) => note(id, logprob),
      onPromptLogprob: note,
      onFinish: note,
    });
  }
  engine.close();
  return heard;
}

for (const dtype of ["bfloat16", "float32"] as const) {
  test(`${dtype}: alone, among others and in chunks of any size`, () => {
    const alone = requests.map((request) => run([request], { dtype, maxRunning: 1 })[0]!);
    expect(new Set(alone).size).toBe(requests.length);
    for (const chunkedPrefillSize of [1, 3, 16, 50, 512]) {
      expect(run(requests, { dtype, maxRunning: 8, chunkedPrefillSize })).toEqual(alone);
    }
    expect(run(requests, { dtype, maxRunning: 3, maxTotalTokens: 256 })).toEqual(alone);
    expect(run(requests, { dtype, pageSize: 48, chunkedPrefillSize: Infinity })).toEqual(alone);
    expect(run(requests, { dtype, threads: 1 })).toEqual(alone);
  });

  test(`${dtype}: from the cache, and retracted`, () => {
    // Prompt logprobs would keep prompts out of the cache.
    const plain = requests.map((request) => ({
      ...request,
      logprobs: { promptStart: -1, topCount: 1 },
    }));
    const alone = plain.map((request) => run([request], { dtype, maxRunning: 1 })[0]!);
    const before = { ...seen };
    expect(run([...plain, ...plain], { dtype, maxRunning: 3 })).toEqual([...alone, ...alone]);
    expect(seen.cachedTokens).toBeGreaterThan(before.cachedTokens);
    const tight = { maxTotalTokens: 160, scheduleConservativeness: 0.05, chunkedPrefillSize: 20 };
    const long = plain.slice(0, 4).map((request) => ({ ...request, maxNewTokens: 90 }));
    const longAlone = long.map((request) => run([request], { dtype, maxRunning: 1 })[0]!);
    for (const prefixCache of [true, false]) {
      const { retractions } = seen;
      expect(run(long, { dtype, ...tight, prefixCache })).toEqual(longAlone);
      expect(seen.retractions).toBeGreaterThan(retractions);
    }
  });
}

const seeded = (seed: number) => ({
  ...requests[1]!,
  sampling: { ...requests[1]!.sampling, temperature: 1, seed },
});

test("a seed decides the draw", () => {
  const outcomes = run([seeded(1), seeded(2), seeded(1), seeded(2 ** 40 + 1)], {});
  expect(outcomes[0]).toBe(outcomes[2]!);
  expect(outcomes[0]).not.toBe(outcomes[1]!);
  expect(outcomes[0]).not.toBe(outcomes[3]!);
});
