/** The official client understands every answer. */
import { afterAll, expect, test } from "bun:test";
import OpenAI, { BadRequestError, AuthenticationError } from "openai";
import { eos, hello, testServer, tokens, until, world } from "./support.ts";

const server = await testServer({ apiKey: "key" });
server.engine.script = tokens(hello, world, eos);
afterAll(() => server.server.close(0));
const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "key", maxRetries: 0 });
const messages = [{ role: "user" as const, content: "hi" }];

test("models", async () => {
  const listed = await client.models.list();
  expect(listed.data.map(({ id }) => id)).toEqual(["org/toy"]);
  expect((await client.models.retrieve("org/toy")).object).toBe("model");
});

test("completions", async () => {
  const { choices, usage } = await client.completions.create({
    model: "m",
    prompt: "hi",
    logprobs: 1,
  });
  expect(choices[0]).toMatchObject({ text: "hello world", finish_reason: "stop" });
  expect(choices[0]!.logprobs!.tokens).toEqual(["hello", " world", "</s>"]);
  expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 3 });
});

test("completions, streamed", async () => {
  const stream = await client.completions.create({
    model: "m",
    prompt: "hi",
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map(({ choices }) => choices[0]?.text)).toEqual(["hello", " world", "", undefined]);
  expect(chunks.at(-1)!.usage!.completion_tokens).toBe(3);
});

test("chat", async () => {
  const { choices } = await client.chat.completions.create({
    model: "m",
    messages,
    logprobs: true,
    top_logprobs: 1,
  });
  expect(choices[0]!.message.content).toBe("hello world");
  expect(choices[0]!.logprobs!.content!.map(({ token }) => token)).toEqual([
    "hello",
    " world",
    "</s>",
  ]);
});

test("penalties and logit_bias reach the engine", async () => {
  const asked = {
    model: "m",
    frequency_penalty: 0.5,
    presence_penalty: -0.25,
    logit_bias: { "104": -100, "97": 5.5 },
  };
  await client.chat.completions.create({ ...asked, messages });
  await client.completions.create({ ...asked, prompt: "hi" });
  const adjustments = {
    frequencyPenalty: 0.5,
    presencePenalty: -0.25,
    repetitionPenalty: 1,
    logitBias: [
      [97, 5.5],
      [104, -100],
    ] as const,
    minNewTokens: 0,
    blockedTokenIds: [eos],
  };
  const submitted = server.engine.submitted.slice(-2).map((request) => request.adjustments!);
  expect(submitted).toEqual([adjustments, adjustments]);
});

test("chat, streamed, by the client's own accumulator", async () => {
  const stream = client.chat.completions.stream({
    model: "m",
    messages,
    stream_options: { include_usage: true },
  });
  const { choices, usage } = await stream.finalChatCompletion();
  expect(choices[0]!.message).toMatchObject({ role: "assistant", content: "hello world" });
  expect([choices[0]!.finish_reason, usage!.completion_tokens]).toEqual(["stop", 3]);
});

const askWrongly = async () =>
  void (await client.completions.create({
    model: "m",
    prompt: "x",
    temperature: -1,
    stream: true,
  }));
const askAsStranger = async () =>
  void (await new OpenAI({
    baseURL: `${server.url}/v1`,
    apiKey: "other",
    maxRetries: 0,
  }).models.list());

test("errors become the client's own", async () => {
  await expect(askWrongly()).rejects.toThrow(BadRequestError);
  await expect(askAsStranger()).rejects.toThrow(AuthenticationError);
});

test("leaving a stream aborts it", async () => {
  server.engine.script = tokens(hello);
  const stream = await client.completions.create({ model: "m", prompt: "hi", stream: true });
  for await (const _ of stream) break;
  await until(() => server.engine.aborted.length > 0);
});
