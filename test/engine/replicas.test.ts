/** Several engines behind one: requests are shared out, each gets its own tokens, aborts find their replica. */
import { expect, test } from "bun:test";
import type { Engine, FinishReason, GenerateRequest } from "../../src/engine/api.ts";
import { startReplicas, type LoadBalanceMethod } from "../../src/engine/replicas.ts";
import { nullTokens, smallestConfig } from "../support/null-engine.ts";

const source = { config: smallestConfig, weights: { kind: "dummy" } } as const;
const start = (method: LoadBalanceMethod, stepUs: number) =>
  startReplicas(source, { device: "null", stepUs, maxTotalTokens: 4096, maxRunning: 8 }, 3, method);

function request(prompt: number[], maxNewTokens: number): GenerateRequest {
  return {
    promptIds: Int32Array.from(prompt),
    maxNewTokens,
    sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
    stopTokenIds: [],
    logprobs: null,
  };
}

function submit(engine: Engine, spec: GenerateRequest) {
  const tokens: number[] = [];
  const { promise, resolve } = Promise.withResolvers<{ tokens: number[]; reason: FinishReason }>();
  const id = engine.submit(spec, {
    onAdmitted() {},
    onPromptLogprobs() {},
    onToken: (token) => tokens.push(token),
    onFinish: (reason) => resolve({ tokens, reason }),
  });
  return { id, done: promise };
}

test.each<LoadBalanceMethod>(["round_robin", "shortest_queue"])("%s", async (method) => {
  const engine = await start(method, 100);
  const prompts = Array.from({ length: 30 }, (_, i) => [i, 1, 2]);
  const running = prompts.map((prompt) => submit(engine, request(prompt, 10)));
  expect(new Set(running.map(({ id }) => id % 3)).size).toBe(3);
  const outcomes = await Promise.all(running.map(({ done }) => done));
  outcomes.forEach(({ tokens }, i) => expect(tokens).toEqual(nullTokens(prompts[i]!, 10)));
  expect(engine.load().totals.generatedTokens).toBe(300);
  expect(await engine.flushCache()).toBe(true);
  await engine.close();
});

test("an abort reaches the replica that runs the request", async () => {
  const engine = await start("round_robin", 5000);
  const running = [1, 2, 3].map((id) => submit(engine, request([id], 200)));
  engine.abort(running[1]!.id);
  expect((await running[1]!.done).reason.type).toBe("abort");
  expect(engine.load().running + engine.load().waiting).toBe(2);
  for (const { id } of running) engine.abort(id);
  await Promise.all(running.map(({ done }) => done));
  await engine.close();
});

test("if one replica does not start, none is left", async () => {
  const options = { device: "null", maxRunning: 0 } as const;
  expect(startReplicas(source, options, 2, "round_robin")).rejects.toThrow("maxRunning");
});
