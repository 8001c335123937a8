/** The real model through the engine's thread against transformers in float32 (see scripts/fixtures-model.py --real). */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import golden from "../fixtures/model/real-greedy.json" with { type: "json" };
import { startEngine, type Engine } from "../../src/engine/index.ts";
import { resolveModel } from "../../src/hub/resolve.ts";
import { realModel } from "../support/real-model.ts";

const greedy = { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 };
/** Steps that transformers decided by less than this between its two best logits may differ. */
const nearTie = 0.01;

function generate(engine: Engine, ids: number[], maxNewTokens: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const tokens: number[] = [];
    const request = { promptIds: Int32Array.from(ids), maxNewTokens, sampling: greedy };
    engine.submit(
      { ...request, stopTokenIds: [], logprobs: null },
      {
        onAdmitted() {},
        onPromptLogprobs() {},
        onToken: (token) => tokens.push(token),
        onFinish: (reason) => (reason.type === "length" ? resolve(tokens) : reject(reason)),
      },
    );
  });
}

const skip = realModel.folder === null ? ` (skipped: ${realModel.reason})` : "";
describe.skipIf(realModel.folder === null)(`${golden.model}, greedy in float32${skip}`, () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await startEngine(await resolveModel(realModel.folder!), {
      device: "cpu",
      dtype: "float32",
      maxTotalTokens: 4096,
    });
  });
  afterAll(() => engine.close());

  const title = "20 prompts at once: 64 tokens each as transformers says, up to its first near tie";
  const timeoutMs = 120_000; // it takes seconds where the CPU is not shared
  test(
    title,
    async () => {
      const outputs = await Promise.all(
        golden.requests.map(({ ids }) => generate(engine, ids, 64)),
      );
      let compared = 0;
      golden.requests.forEach(({ prompt, tokens, margins }, i) => {
        const tie = margins.findIndex((margin) => margin < nearTie);
        const clear = tie < 0 ? tokens.length : tie;
        expect(outputs[i]!.slice(0, clear), prompt).toEqual(tokens.slice(0, clear));
        expect(outputs[i]!.length).toBe(64);
        compared += clear;
      });
      expect(compared).toBeGreaterThan(0.75 * 20 * 64);
    },
    timeoutMs,
  );
});
