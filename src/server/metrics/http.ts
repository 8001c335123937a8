/** HTTP requests and responses by endpoint, whatever they were about. */
import type { Hono, MiddlewareHandler } from "hono";
import { Counter, Gauge, type Registry } from "prom-client";

/** Counts requests when they come, and responses when their head is decided; bodies may stream on after that. */
export function countHttp(app: Hono, registry: Registry): MiddlewareHandler {
  const registers = [registry];
  const labelNames = ["endpoint", "method"];
  const requests = new Counter({
    name: "sglang:http_requests_total",
    help: "HTTP requests.",
    labelNames,
    registers,
  });
  const responses = new Counter({
    name: "sglang:http_responses_total",
    help: "HTTP responses.",
    labelNames: [...labelNames, "status_code"],
    registers,
  });
  const active = new Gauge({
    name: "sglang:http_requests_active",
    help: "HTTP requests that have no response yet.",
    labelNames,
    registers,
  });
  let known: Set<string> | null = null;
  return async (c, next) => {
    known ??= new Set(app.routes.map(({ path }) => path));
    // Paths and methods that clients invent must not become series of their own.
    const endpoint = known.has(c.req.path) ? c.req.path : "other";
    const method = ["GET", "POST", "PUT"].includes(c.req.method) ? c.req.method : "other";
    requests.inc({ endpoint, method });
    active.inc({ endpoint, method });
    try {
      await next();
    } finally {
      active.dec({ endpoint, method });
      responses.inc({ endpoint, method, status_code: String(c.res.status) });
    }
  };
}
