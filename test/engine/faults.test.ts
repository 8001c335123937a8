/** Weights that do not compute, and loads that fail: what they must leave alone. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import {
  startEngine,
  type EngineOptions,
  type FinishReason,
  type ModelSource,
} from "../../src/engine/index.ts";
import { loadEngine } from "../../src/engine/load.ts";
import { Backend } from "../../src/program/index.ts";
import { readGolden, RandomCheckpoint } from "../support/random-model.ts";

const golden = readGolden("gqa3-head-dim"); // untied: an embedding of NaN is no logit
const hiddenSize = golden.config["hidden_size"] as number;
const damagedId = 7;

function damaged(name: string, values: Float32Array): Float32Array {
  if (name === "model.embed_tokens.weight") {
    values.fill(NaN, damagedId * hiddenSize, (damagedId + 1) * hiddenSize);
  }
  return values;
}

test("a request whose logits are NaN is aborted; those beside it and after it are not", async () => {
  using checkpoint = new RandomCheckpoint(golden.tensors, "F32", damaged);
  const engine = await startEngine(checkpoint.source(golden.config), {
    device: "cpu",
    threads: 2,
    maxTotalTokens: 256,
    chunkedPrefillSize: 8,
  });
  const generate = (promptIds: number[], promptStart = -1) =>
    new Promise<{ tokens: number[]; reason: FinishReason }>((resolve) => {
      const tokens: number[] = [];
      const spec = {
        promptIds: Int32Array.from(promptIds),
        maxNewTokens: 6,
        sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
        stopTokenIds: [damagedId], // so that no greedy continuation goes on from it
        logprobs: promptStart < 0 ? null : { promptStart, topCount: 2 },
      };
      engine.submit(spec, {
        onAdmitted() {},
        onPromptLogprobs() {},
        onToken: (token) => tokens.push(token),
        onFinish: (reason) => resolve({ tokens, reason }),
      });
    });
  const well = [[1, 2, 3], Array.from({ length: 40 }, (_, i) => 20 + i), [damagedId + 1]];
  const alone = await Promise.all(well.map((ids) => generate(ids)));
  const filler = Array.from({ length: 100 }, (_, i) => 10 + (i % 50));
  const [ill, illPrompt, ...beside] = await Promise.all([
    generate([1, damagedId, 2]),
    generate([...filler, damagedId, 2, 3], 0),
    ...well.map((ids) => generate(ids)),
  ]);
  expect(alone.map(({ reason }) => reason.type)).not.toContain("abort");
  for (const [outcome, position] of [
    [ill, 2],
    [illPrompt, 100],
  ] as const) {
    const message = `The logits at position ${position} are not finite; the weights may be damaged`;
    expect(outcome).toEqual({ tokens: [], reason: { type: "abort", message } });
  }
  expect(beside).toEqual(alone);
  // Their pages, full of NaN, go to others.
  expect(await Promise.all(well.map((ids) => generate(ids)))).toEqual(alone);
  expect(engine.load()).toMatchObject({ running: 0, waiting: 0, usedTokens: 0 });
  await engine.close();
});

const nativeThreads = () =>
  readdirSync("/proc/self/task").filter((id) =>
    readFileSync(`/proc/self/task/${id}/comm`, "utf8").startsWith("sb-"),
  ).length;

function load(source: ModelSource, options: Partial<EngineOptions> = {}) {
  return loadEngine(
    source,
    { device: "cpu", threads: 2, maxTotalTokens: 64, ...options },
    Backend.path("cpu"),
  );
}
const dummy = { kind: "dummy" } as const;

test("a load that fails says why and leaves no native thread", () => {
  using meaningless = new RandomCheckpoint(golden.tensors, "F32", (_, values) => values.fill(NaN));
  const before = nativeThreads();
  expect(() => load({ config: { architectures: ["Nope"] }, weights: dummy })).toThrow(
    /architectures is \["Nope"\]/,
  );
  const source = { config: golden.config, weights: dummy };
  expect(() => load(source, { contextLength: 1e6 })).toThrow(/context length 1000000/);
  expect(() => load(meaningless.source(golden.config))).toThrow(
    /logits at position 0 are not finite/,
  );
  expect(nativeThreads()).toBe(before);
});

test("a loaded engine has native threads until it is closed", () => {
  const before = nativeThreads();
  const engine = load({ config: golden.config, weights: dummy });
  expect(nativeThreads()).toBeGreaterThan(before);
  engine.close();
  expect(nativeThreads()).toBe(before);
});
