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

test("a stop_regex ends it with the token that completes a match, and nothing is cut", async () => {
  engine.script = tokens(hello, ...bytesOf(" 12"), world, ...bytesOf("ab"));
  const stopped = { text: "hello 12", reason: "stop", matched: "\\d\\d", tokens: 4 };
  const aborted = engine.aborted.length;
  expect(await complete({ stop_regex: "\\d\\d" })).toEqual(stopped);
  expect(engine.aborted.length).toBe(aborted + 1);
  expect(await complete({ stop_regex: ["x", "\\d\\d"], ignore_eos: true })).toEqual(stopped);
  expect(await deltas({ stop_regex: "\\d\\d" })).toEqual(["hello", " ", "1", "2"]);
  expect(await complete({ stop_regex: "lo", max_tokens: 1 })).toMatchObject({
    text: "hello",
    reason: "stop",
  });
  expect((await complete({ stop_regex: "^ |h$", max_tokens: 3 })).reason).toBe("length");
});

test("a stop_regex beside stop strings: the string goes first, and held text is shown at a match", async () => {
  engine.script = tokens(hello, ...bytesOf("EN"), ...bytesOf("D"));
  expect(await complete({ stop: "END", stop_regex: "END" })).toMatchObject({
    text: "hello",
    matched: "END",
    tokens: 4,
  });
  expect(await complete({ stop: "END", stop_regex: "oEN" })).toMatchObject({
    text: "helloEN",
    matched: "oEN",
    tokens: 3,
  });
});

test("a stop_regex that is searched without end is the request's own fault", async () => {
  engine.script = tokens(...bytesOf("a".repeat(60)), ...bytesOf("b".repeat(60)));
  const body = { prompt: "x", stop_regex: "(a+)+c", max_tokens: 120 };
  const response = await post(`${server.url}/v1/completions`, body);
  const { message } = (await response.json()) as { message: string };
  expect([response.status, message]).toEqual([400, "stop_regex takes too long to search."]);
  await until(() => engine.load().running === 0);
});

async function adjustmentsOf(path: string, body: object) {
  const response = await post(server.url + path, body);
  expect(response.status).toBe(200);
  return engine.submitted.at(-1)!.adjustments;
}

test("penalties, biases and shortest lengths reach the engine from all endpoints", async () => {
  const fields = {
    frequency_penalty: 1,
    presence_penalty: -1,
    repetition_penalty: 1.5,
    logit_bias: { "7": -100 },
    stop_token_ids: [hello],
  };
  const adjustments = {
    frequencyPenalty: 1,
    presencePenalty: -1,
    repetitionPenalty: 1.5,
    logitBias: [[7, -100]] as const,
    minNewTokens: 2,
    blockedTokenIds: [eos, hello],
  };
  const lengths = { max_tokens: 3, min_tokens: 2 };
  const messages = [{ role: "user", content: "x" }];
  expect(await adjustmentsOf("/v1/completions", { prompt: "x", ...fields, ...lengths })).toEqual(
    adjustments,
  );
  expect(await adjustmentsOf("/v1/chat/completions", { messages, ...fields, ...lengths })).toEqual(
    adjustments,
  );
  const sampling = { ...fields, max_new_tokens: 3, min_new_tokens: 2 };
  expect(await adjustmentsOf("/generate", { text: "x", sampling_params: sampling })).toEqual(
    adjustments,
  );
});

test("min_tokens blocks the ends of a request that ignores them, and is cut to the room there is", async () => {
  const body = { prompt: "x", min_tokens: 2, ignore_eos: true };
  expect((await adjustmentsOf("/v1/completions", body))!.blockedTokenIds).toEqual([eos]);
  expect(engine.submitted.at(-1)!.stopTokenIds).toEqual([]);
  const sampling = { max_new_tokens: null, min_new_tokens: 1000, ignore_eos: true };
  const unlimited = await adjustmentsOf("/generate", { text: "x", sampling_params: sampling });
  expect(unlimited!.minNewTokens).toBe(198);
});

test("nothing to adjust: the engine is not told of it", async () => {
  const body = { prompt: "x", frequency_penalty: 0, repetition_penalty: 1, logit_bias: {} };
  expect(await adjustmentsOf("/v1/completions", body)).toBeUndefined();
});

test("chat takes repetition_penalty from generation_config.json, completions do not", async () => {
  await using other = await testServer({}, { defaultSampling: { repetitionPenalty: 1.1 } });
  const ask = async (path: string, body: object) => {
    await post(other.url + path, { max_tokens: 1, ...body });
    return other.engine.submitted.at(-1)!.adjustments?.repetitionPenalty;
  };
  const messages = [{ role: "user", content: "x" }];
  expect(await ask("/v1/chat/completions", { messages })).toBe(1.1);
  expect(await ask("/v1/chat/completions", { messages, repetition_penalty: 1 })).toBeUndefined();
  expect(await ask("/v1/completions", { prompt: "x" })).toBeUndefined();
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
