/** Health is the model's: it has to generate, and neither engine nor tokenizer may be gone. */
import { expect, test } from "bun:test";
import { startServer } from "../../src/server/index.ts";
import { canGenerate } from "../../src/server/routes/health.ts";
import { ScriptedEngine, testContext, testServer, tokenizer, until } from "./support.ts";

const status = async (url: string, path: string) => (await fetch(url + path)).status;

test("/health_generate generates one token, /health none", async () => {
  await using server = await testServer();
  expect(await status(server.url, "/health")).toBe(200);
  expect(server.engine.submitted).toEqual([]);
  expect(await status(server.url, "/health_generate")).toBe(200);
  expect(server.engine.submitted).toMatchObject([{ maxNewTokens: 1 }]);
  expect(server.engine.load().running).toBe(0);
});

test("both are 503 before the server is ready and once the engine has ended", async () => {
  await using server = await testServer();
  const both = () =>
    Promise.all(["/health", "/health_generate"].map((path) => status(server.url, path)));
  server.context.phase = "starting";
  expect(await both()).toEqual([503, 503]);
  server.context.phase = "ready";
  server.engine.die("out of order");
  await until(() => server.context.phase === "stopping");
  expect(await both()).toEqual([503, 503]);
});

test("and once the tokenizer has ended", async () => {
  const end = Promise.withResolvers<string>();
  const context = {
    ...testContext(new ScriptedEngine()),
    tokenizer: { ...tokenizer, ended: end.promise },
  };
  const server = await startServer(context, { host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}`;
  expect(await status(url, "/health")).toBe(200);
  end.resolve("gone");
  await until(() => context.phase === "stopping");
  expect(await status(url, "/health")).toBe(503);
  expect(await status(url, "/health_generate")).toBe(503);
  await server.close(0);
});

test("an engine that does not move is not healthy; the probe is taken back", async () => {
  const engine = new ScriptedEngine();
  engine.script = () => "wait";
  expect(await canGenerate(engine, 5)).toBe(false);
  expect(engine.aborted).toEqual([0]);
  engine.script = () => ({ abort: "a step failed" });
  expect(await canGenerate(engine, 10_000)).toBe(false);
});
