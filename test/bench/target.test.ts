/** Proves that a server which does not list its models is answered with what to do. */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { backendOf } from "../../src/bench/backends/index.ts";
import { defaultOptions } from "../../src/bench/options.ts";
import { fetchModel, targetOf } from "../../src/bench/target.ts";
import { UserError } from "../../src/user-error.ts";

let server: Server | null = null;
afterEach(() => server?.close());

async function answering(status: number, body: string): Promise<string> {
  server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function refusal(baseUrl: string): Promise<string> {
  const options = { ...defaultOptions, baseUrl };
  const { signal } = new AbortController();
  const error = await fetchModel(targetOf(options, backendOf.sglang), options, signal).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

test("nothing listens there", async () => {
  expect(await refusal("http://127.0.0.1:1")).toContain("servebench serve starts a server");
});

test("a key is wanted", async () => {
  const message = await refusal(await answering(401, '{"error":"Unauthorized"}'));
  expect(message).toContain('Error: HTTP 401 Unauthorized {"error":"Unauthorized"} (--api-key');
});

test("something else answers", async () => {
  expect(await refusal(await answering(404, "no"))).toContain("Error: HTTP 404 Not Found no\n");
  expect(await refusal(await answering(200, "<html>"))).toStartWith("Failed to fetch model from");
  expect(await refusal(await answering(200, "{}"))).toStartWith("No model specified or found.");
});
