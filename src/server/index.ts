/** Starts and ends the HTTP server. */
import { runtime } from "../runtime/index.ts";
import { createApp } from "./app.ts";
import type { ServerContext } from "./context.ts";

export { createApp } from "./app.ts";
export type * from "./context.ts";

export interface RunningServer {
  readonly port: number;
  /**
   * Turns away new requests and those that have not arrived whole, gives running ones `graceMs` to end, then
   * cuts what is left, which aborts it in the engine. The engine stays open: it is the caller's.
   */
  close(graceMs: number): Promise<void>;
}

/** Listens on `host:port` (port 0 takes any). Rejects with `code` "EADDRINUSE" when the port is taken. */
export async function startServer(
  context: ServerContext,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<RunningServer> {
  const app = createApp(context);
  const ended = Promise.race([context.engine.ended, context.tokenizer.ended]);
  void ended.then(() => (context.phase = "stopping"));
  const server = await runtime.serve({
    host,
    port,
    // The application measures bodies itself, to answer in JSON.
    maxBodyBytes: Number.MAX_SAFE_INTEGER,
    fetch: (request) => app.fetch(request),
  });
  return {
    port: server.port,
    async close(graceMs) {
      context.phase = "stopping";
      context.closing.abort();
      const drained = server.stop(false);
      const { promise: graceIsOver, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      await Promise.race([drained, graceIsOver]);
      clearTimeout(timer);
      const { running, waiting } = context.engine.load();
      if (running + waiting > 0) {
        context.log("warning", `cutting ${running} running and ${waiting} waiting requests`);
      }
      await server.stop(true);
    },
  };
}
