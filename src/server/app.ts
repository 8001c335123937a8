/** The HTTP application: all routes, the API key, and errors as JSON. */
import { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { requireApiKey } from "./auth.ts";
import type { ServerContext } from "./context.ts";
import { refuseTextRoutes } from "./no-tokenizer.ts";
import { clientGone, failed, RequestError } from "./errors.ts";
import { chatRoutes } from "./routes/chat.ts";
import { controlRoutes } from "./routes/control.ts";
import { completionRoutes } from "./routes/completions.ts";
import { generateRoutes } from "./routes/generate.ts";
import { healthRoutes } from "./routes/health.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { modelRoutes } from "./routes/models.ts";
import { serverInfoRoutes } from "./routes/server-info.ts";
import { detokenizePaths, tokenizePaths, tokenizeRoutes } from "./routes/tokenize.ts";

const textPaths = ["/v1/completions", "/v1/chat/completions", ...tokenizePaths, ...detokenizePaths];

export function createApp(context: ServerContext): Hono {
  const app = new Hono();
  metricsRoutes(app, context);
  if (context.options.apiKey !== null) requireApiKey(app, context.options.apiKey);

  healthRoutes(app, context);
  modelRoutes(app, context);
  serverInfoRoutes(app, context);
  controlRoutes(app, context);
  if (context.options.skipTokenizer) refuseTextRoutes(app, textPaths);
  completionRoutes(app, context);
  chatRoutes(app, context);
  tokenizeRoutes(app, context);
  generateRoutes(app, context);
  refuseOtherMethods(app);

  app.notFound((c) => c.json(failed(404, `There is no ${c.req.path} here.`).body, 404));
  app.onError((error, c) => {
    const known = error instanceof RequestError ? error : unexpected(context, c.req.raw, error);
    for (const [name, value] of Object.entries(known.headers)) c.header(name, value);
    // /generate answers a refused request in its own shape, and the rest in that of the other endpoints.
    const isNative = c.req.path === "/generate" && known.type === "BadRequestError";
    const body = isNative ? { error: { message: known.message } } : known.body;
    return c.json(body, known.status as ContentfulStatusCode);
  });
  return app;
}

function unexpected({ log }: ServerContext, request: Request, error: Error): RequestError {
  if (request.signal.aborted) return clientGone(); // in the middle of its body
  log("error", `${new URL(request.url).pathname}: ${error.stack || error.message}`);
  return new RequestError(500, "InternalServerError", "Internal server error");
}

/** A known path asked in another way is a 405 that says what is allowed. */
function refuseOtherMethods(app: Hono): void {
  const methodsOf = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue; // middleware
    if (!methodsOf.has(path)) methodsOf.set(path, new Set());
    methodsOf.get(path)!.add(method);
  }
  for (const [path, methods] of methodsOf) {
    const allow = [...methods].join(", ");
    app.all(path, (c) => {
      throw failed(405, `${c.req.method} is not allowed on ${path}; use ${allow}.`, { allow });
    });
  }
}
