/** From tokens to text: characters stay whole, stop strings and stop tokens end a generation as asked. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { seedSource } from "../../src/server/sampling.ts";
import {
  alphabet,
  bytesOf,
  eos,
  hello,
  post,
  testServer,
  tokens,
  until,
  world,
} from "./support.ts";

const server = await testServer();
const { engine } = server;
afterAll(() => server.server.close(0));
beforeEach(() => {
  engine.script = alphabet;
});

async function complete(body: object) {
  const response = await post(`${server.url}/v1/completions`, { prompt: "x", ...body });
  const { choices, usage } = (await response.json()) as {
    choices: { text: string; finish_reason: string; matched_stop: unknown }[];
    usage: { completion_tokens: number };
  };
  const { text, finish_reason: reason, matched_stop: matched } = choices[0]!;
  return { text, reason, matched, tokens: usage.completion_tokens };
}

async function deltas(body: object): Promise<string[]> {
  const response = await post(`${server.url}/v1/completions`, {
    prompt: "x",
    stream: true,
    ...body,
  });
  return (await response.text())
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)).choices[0].text);
}

test("a character in several tokens comes out whole", async () => {
  engine.script = tokens(...bytesOf("é€😀!"), eos);
  expect(await deltas({})).toEqual(["é", "€", "😀", "!", ""]);
  expect((await complete({})).text).toBe("é€😀!");
});

test("a character that never completes is U+FFFD at the end", async () => {
  engine.script = tokens(hello, 0xf0, 0x9f, eos);
  expect(await deltas({})).toEqual(["hello", "\ufffd"]);
});

test("what is left of a character at the end may complete a stop string", async () => {
  engine.script = tokens(hello, 0xf0, 0x9f, eos);
  const stop = ["lo\ufffd"];
  const stopped = { reason: "stop", matched: stop[0], tokens: 4 };
  expect(await complete({ stop })).toEqual({ text: "hel", ...stopped });
  expect(await complete({ stop, no_stop_trim: true })).toEqual({ text: "hello\ufffd", ...stopped });
});

test("a stop string across tokens is cut, and the engine stops", async () => {
  engine.script = tokens(hello, ...bytesOf("aEN"), ...bytesOf("D tail"));
  const aborted = engine.aborted.length;
  expect(await complete({ stop: ["END"] })).toEqual({
    text: "helloa",
    reason: "stop",
    matched: "END",
    tokens: 5,
  });
  expect(engine.aborted.length).toBe(aborted + 1);
  expect(await deltas({ stop: "END" })).toEqual(["hello", "a", ""]);
});

test("text that only begins like a stop string is shown once that is clear", async () => {
  engine.script = tokens(...bytesOf("ENxEN"), eos);
  expect(await deltas({ stop: ["END"] })).toEqual(["ENx", "EN"]);
});

test("the first listed stop string wins within one token", async () => {
  engine.script = tokens(hello);
  expect(await complete({ stop: ["lo", "ell"] })).toMatchObject({ text: "hel", matched: "lo" });
  expect(await complete({ stop: ["ell", "lo"] })).toMatchObject({ text: "h", matched: "ell" });
});

test("no_stop_trim keeps the stop string and what came with it", async () => {
  engine.script = tokens(hello);
  expect(await complete({ stop: "ell", no_stop_trim: true })).toMatchObject({
    text: "hello",
    matched: "ell",
  });
});

test("a stop string in the last allowed token still counts as a stop", async () => {
  engine.script = tokens(hello, world);
  expect(await complete({ stop: "world", max_tokens: 2 })).toMatchObject({
    text: "hello ",
    reason: "stop",
  });
});

test("stop_token_ids end it without their text; EOS as well, unless ignore_eos", async () => {
  engine.script = tokens(hello, world, eos, ...bytesOf("abc"));
  expect(await complete({ stop_token_ids: [world] })).toEqual({
    text: "hello",
    reason: "stop",
    matched: world,
    tokens: 2,
  });
  expect(await complete({ stop_token_ids: [world], no_stop_trim: true })).toMatchObject({
    text: "hello world",
  });
  expect(await complete({})).toMatchObject({ text: "hello world", matched: eos });
  // ignore_eos switches off the test of ids altogether, as in SGLang
  expect(await complete({ stop_token_ids: [world], ignore_eos: true, max_tokens: 4 })).toEqual({
    text: "hello worlda",
    reason: "length",
    matched: null,
    tokens: 4,
  });
  expect(
    await complete({ ignore_eos: true, max_tokens: 4, skip_special_tokens: false }),
  ).toMatchObject({ text: "hello world</s>a" });
});

async function seedsOf(body: object): Promise<number[]> {
  const from = engine.submitted.length;
  await complete({ max_tokens: 1, ...body });
  return engine.submitted.slice(from).map(({ sampling }) => sampling.seed);
}

test("seeds: honoured, one apart for each choice, and drawn when not given", async () => {
  expect(await seedsOf({ seed: 7, n: 3 })).toEqual([7, 8, 9]);
  expect(await seedsOf({ seed: -1 })).toEqual([2 ** 53 - 1]);
  const [first, second] = await seedsOf({ n: 2 });
  expect(first).not.toBe(second);
  const again = [seedSource(42), seedSource(42)];
  expect(again.map((draw) => draw())).toEqual([42, 42]);
  expect(again[0]!()).toBe(43);
});

test("an engine that gives up: 500, or an error event and [DONE]", async () => {
  engine.script = tokens(hello, { abort: "out of KV pages" });
  const fault = {
    object: "error",
    message: "out of KV pages",
    type: "500",
    param: null,
    code: 500,
  };
  const whole = await post(`${server.url}/v1/completions`, { prompt: "x" });
  expect([whole.status, await whole.json()]).toEqual([500, fault]);
  const body = { prompt: ["x", "y"], stream: true };
  const streamed = await (await post(`${server.url}/v1/completions`, body)).text();
  expect(streamed).toEndWith(
    `data: ${JSON.stringify({ error: { ...fault, type: "INTERNAL_SERVER_ERROR" } })}\n\ndata: [DONE]\n\n`,
  );
  expect(streamed.match(/"error"/g)!.length, "the other choice ends silently").toBe(2);
  const native = await (await post(`${server.url}/generate`, { text: "x", stream: true })).text();
  expect(native).toContain(
    `"finish_reason":{"type":"abort","message":"out of KV pages","status_code":500,"err_type":"InternalServerError"}`,
  );
  expect(native).toEndWith("data: [DONE]\n\n");
  await until(() => engine.load().running === 0);
});
