/** The API key: `Authorization: Bearer KEY` or `X-API-Key: KEY`. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Hono } from "hono";

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Asks every request for the key, except those about the server's health and its metrics. */
export function requireApiKey(app: Hono, apiKey: string): void {
  const expected = digest(apiKey);
  app.use(async (c, next) => {
    if (/^\/(health|metrics)/.test(c.req.path)) return next();
    const bearer = /^Bearer (.*)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    const given = [bearer, c.req.header("x-api-key")].filter((key) => key !== undefined);
    // Digests have one length, so the comparison takes the same time whatever came.
    if (given.some((key) => timingSafeEqual(digest(key), expected))) return next();
    return c.json({ error: "Unauthorized" }, 401, { "www-authenticate": "Bearer" });
  });
}
