/** GET /health and /health_generate: 200 with an empty body when the model can answer. */
import type { Hono } from "hono";
import type { Engine } from "../../engine/api.ts";
import type { ServerContext } from "../context.ts";

/** SGLang's limit. */
const generateLimitMs = 20_000;
/** A busy engine that has made steps for so long is healthy, even if the probe has not had its turn. */
const progressMs = 1000;

export function healthRoutes(app: Hono, context: ServerContext): void {
  app.get("/health", (c) => c.body(null, context.phase === "ready" ? 200 : 503));
  app.get("/health_generate", async (c) => {
    const healthy =
      context.phase === "ready" && (await canGenerate(context.engine, generateLimitMs));
    return c.body(null, healthy ? 200 : 503);
  });
}

/** Has one token generated; false if `limitMs` pass without it and without a step, or if the engine gives up. */
export async function canGenerate(engine: Engine, limitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const stepsBefore = engine.load().totals.steps;
  const progress = setInterval(() => {
    if (engine.load().totals.steps > stepsBefore) resolve(true);
  }, progressMs);
  const limit = setTimeout(() => resolve(false), limitMs);
  let id: number | null = null;
  try {
    id = engine.submit(probe, {
      onAdmitted() {},
      onPromptLogprobs() {},
      onToken: () => resolve(true),
      onFinish: ({ type }) => resolve(type !== "abort"),
    });
    return await promise;
  } catch {
    return false; // the engine has ended
  } finally {
    clearInterval(progress);
    clearTimeout(limit);
    if (id !== null) engine.abort(id);
  }
}

const probe = {
  promptIds: Int32Array.of(0),
  maxNewTokens: 1,
  sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
  stopTokenIds: [],
  logprobs: null,
} as const;
