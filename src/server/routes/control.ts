/** What an operator may ask of a running server: to end requests, and to empty the prefix cache. */
import type { Context, Hono } from "hono";
import { z } from "zod";
import { parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { malformed } from "../errors.ts";
import { boolean, string } from "../sampling.ts";

const abortSchema = z.object({ rid: string.nullish(), abort_all: boolean.nullish() });

export function controlRoutes(app: Hono, context: ServerContext): void {
  /** Requests end when their clients are told so, which may be after this answer. Unknown ids are no mistake. */
  app.post("/abort_request", async (c) => {
    const body = await readJsonObject(c.req.raw, context);
    const { rid, abort_all: all } = parseFields(abortSchema, body);
    if (all) context.running.cancel("");
    else if (rid) context.running.cancel(rid);
    return c.body(null, 200);
  });

  app.on(["GET", "POST"], "/flush_cache", async (c) => {
    const flushed = await flushWhenIdle(context, timeoutMs(c), c.req.raw.signal);
    return flushed ? c.text(flushedText) : c.text(pendingText, 400);
  });
}

const flushedText =
  "Cache flushed.\nPlease check backend logs for more details. " +
  "(When there are running or waiting requests, the operation will not be performed.)\n";
const pendingText =
  "The cache was not flushed: requests are running or waiting. " +
  "Ask again when they have ended, or add ?timeout=SECONDS to wait for that.\n";

function timeoutMs(c: Context): number {
  const text = c.req.query("timeout") ?? "0";
  const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (seconds <= timeoutMaxSeconds) return seconds * 1000;
  throw malformed(`timeout: expected seconds from 0 to ${timeoutMaxSeconds}, got "${text}".`);
}

const timeoutMaxSeconds = 3600;
const askAgainMs = 20;

/** Asks the engine until it has nothing to do, the time is up, the client has gone or the server closes. */
async function flushWhenIdle(
  { engine, closing }: ServerContext,
  waitMs: number,
  client: AbortSignal,
): Promise<boolean> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    if (await engine.flushCache()) return true;
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0 || client.aborted || closing.signal.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, Math.min(askAgainMs, leftMs)));
  }
}
