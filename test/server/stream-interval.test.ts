/** A stream shows its first token, then every n-th, and the end with all that is left. */
import { afterAll, expect, test } from "bun:test";
import { eos, post, testServer, tokens } from "./support.ts";

const server = await testServer({ streamInterval: 3 });
afterAll(() => server.server.close(0));

async function eventsOf(path: string, body: object): Promise<string[]> {
  const response = await post(server.url + path, { ...body, stream: true });
  return (await response.text()).split("\n\n").filter((event) => event.startsWith("data: {"));
}
async function deltas(max_tokens: number, more: object = {}): Promise<string[]> {
  const events = await eventsOf("/v1/completions", { prompt: "x", max_tokens, ...more });
  return events.map((event) => JSON.parse(event.slice(6)).choices[0].text);
}
async function texts(params: object): Promise<string[]> {
  const events = await eventsOf("/generate", { text: "x", sampling_params: params });
  return events.map((event) => JSON.parse(event.slice(6)).text);
}

test("every third token, counted from the first", async () => {
  expect(await deltas(8)).toEqual(["a", "bcd", "efg", "h"]);
  expect(await deltas(7)).toEqual(["a", "bcd", "efg"]);
  expect(await deltas(1)).toEqual(["a"]);
  expect(await deltas(8, { stop: "ef" })).toEqual(["a", "bcd", ""]);
});

test("a stop token between two events brings what is left", async () => {
  const { script } = server.engine;
  server.engine.script = tokens(97, 98, eos);
  expect(await deltas(8)).toEqual(["a", "b"]);
  server.engine.script = script;
});

test("sampling_params.stream_interval stands over the server's", async () => {
  expect(await texts({ max_new_tokens: 4 })).toEqual(["a", "abcd"]);
  expect(await texts({ max_new_tokens: 4, stream_interval: 2 })).toEqual(["a", "abc", "abcd"]);
  expect(await texts({ max_new_tokens: 3, stream_interval: 1 })).toEqual(["a", "ab", "abc"]);
  const refused = await post(`${server.url}/generate`, {
    text: "x",
    sampling_params: { stream_interval: 0 },
  });
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { error: { message: "stream_interval must be at least 1, got 0." } },
  ]);
});
