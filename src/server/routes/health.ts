/** GET /health and /health_generate: 200 with an empty body when the model can answer. */
import type { Hono } from "hono";
import type { ServerContext } from "../context.ts";

export function healthRoutes(app: Hono, context: ServerContext): void {
  for (const path of ["/health", "/health_generate"]) {
    app.get(path, (c) => c.body(null, context.phase === "ready" ? 200 : 503));
  }
}
