/** /tokenize and /detokenize: texts and conversations to ids, and back. */
import { afterAll, expect, test } from "bun:test";
import { bos, bytesOf, eos, hello, post, testServer, world } from "./support.ts";

const server = await testServer();
afterAll(() => server.server.close(0));

async function ask(path: string, body: object) {
  const response = await post(server.url + path, body);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const tokenize = async (body: object) => (await ask("/tokenize", body)).body;
const detokenize = async (body: object) => (await ask("/detokenize", body)).body["text"];

test("a text, a list of texts, with or without special tokens", async () => {
  expect(await tokenize({ prompt: "hi" })).toEqual({
    tokens: [bos, ...bytesOf("hi")],
    count: 3,
    max_model_len: 200,
  });
  expect(await tokenize({ prompt: ["a", ""], add_special_tokens: false })).toEqual({
    tokens: [[97], []],
    count: [1, 0],
    max_model_len: 200,
  });
  expect(await tokenize({ prompt: [] })).toMatchObject({ tokens: [], count: [] });
});

test("a conversation goes through the chat template, which writes the special tokens", async () => {
  const messages = [{ role: "user", content: "hi" }];
  const ids = [bos, ...bytesOf("user:hi\nassistant:")];
  expect(await tokenize({ messages })).toMatchObject({ tokens: ids, count: ids.length });
});

test("ids to text, special tokens left out unless asked for", async () => {
  expect(await detokenize({ tokens: [bos, hello, world, eos] })).toBe("hello world");
  expect(await detokenize({ tokens: [bos, hello], skip_special_tokens: false })).toBe("<s>hello");
  expect(await detokenize({ tokens: [[hello], [], [world]] })).toEqual(["hello", "", " world"]);
  expect(await detokenize({ tokens: [] })).toBe("");
});

test("a character stays whole where a long list of ids takes a pause", async () => {
  const text = "€".repeat(20_000);
  const large = await testServer({ maxBodyBytes: 1 << 24 });
  const response = await post(`${large.url}/v1/detokenize`, { tokens: bytesOf(text) });
  expect(((await response.json()) as { text: string }).text === text).toBe(true);
  await large.server.close(0);
});

test("mistakes", async () => {
  for (const [path, body, message] of [
    ["/tokenize", {}, "Exactly one of prompt and messages must be given."],
    ["/tokenize", { prompt: "x", messages: [] }, /^Exactly one of/],
    ["/tokenize", { messages: [] }, "Messages cannot be empty."],
    ["/tokenize", { prompt: 5 }, "prompt: expected a string or a list of strings, got 5."],
    ["/tokenize", { prompt: ["a", 5] }, "prompt[1]: expected a string, got 5."],
    ["/tokenize", { prompt: "x".repeat(1400) }, /^The input \(at least 234 tokens\) is longer/],
    ["/tokenize", { prompt: "x", tools: [{}] }, /^tools: .* not supported/],
    ["/v1/detokenize", {}, /^tokens: expected a list of token ids .*, got nothing\.$/],
    ["/detokenize", { tokens: "x" }, /^tokens: expected/],
    ["/detokenize", { tokens: [1, "a"] }, 'tokens[1]: expected a token id, got "a".'],
    ["/detokenize", { tokens: [[1], 2] }, "tokens[1]: expected a list of token ids, got 2."],
    ["/detokenize", { tokens: [260] }, "tokens: token id 260 is not in the vocabulary [0, 259]."],
    ["/detokenize", { tokens: [[1], [-1]] }, /^tokens\[1\]: token id -1 is not/],
  ] as const) {
    const { status, body: answer } = await ask(path, body);
    expect(status, JSON.stringify(body)).toBe(400);
    expect(String(answer["message"])).toMatch(message);
  }
});
