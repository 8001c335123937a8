/** GET /metrics: everything that is counted, as Prometheus reads it. */
import type { Hono } from "hono";
import { Gauge, Registry } from "prom-client";
import type { ServerContext } from "../context.ts";
import { registerEngine } from "../metrics/engine.ts";
import { countHttp } from "../metrics/http.ts";
import { registerRequests } from "../metrics/requests.ts";

/** Comes before all other routes, since it counts their requests. */
export function metricsRoutes(app: Hono, context: ServerContext): void {
  const registry = new Registry();
  app.use(countHttp(app, registry));
  const labels = { model_name: context.model.servedName, engine_type: "unified" };
  registerRequests(registry, context.requests, labels);
  registerEngine(registry, context, labels);
  registry.registerMetric(
    new Gauge({
      name: "sglang:startup_time_seconds",
      help: "Time from the start of the program to the first answer it can give.",
      labelNames: [...Object.keys(labels), "phase"],
      registers: [],
      collect() {
        if (context.startupSeconds === null) return;
        this.set({ ...labels, phase: "total" }, context.startupSeconds);
      },
    }),
  );
  app.get("/metrics", async (c) =>
    c.body(await registry.metrics(), 200, { "content-type": registry.contentType }),
  );
}
