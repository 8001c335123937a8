import { afterAll, expect, test } from "bun:test";
import { TokenizerClient } from "../../src/tokenizer/client.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { printableIds } from "../../src/tokenizer/printable.ts";

const source = { asset: "llama3_1.tokenizer" } as const;
const local = loadTokenizer(source);
const client = await TokenizerClient.start(source);
afterAll(() => client.close());

test("the thread's tables and facts are the tokenizer's", () => {
  expect(client.bytes).toEqual(local.bytes);
  expect(client.facts).toMatchObject({ vocabSize: local.vocabSize, eosIds: local.eosIds });
  expect(client.hasChatTemplate).toBe(true);
});

test("many calls at once each get their own answer", async () => {
  const texts = Array.from({ length: 200 }, (_, i) => `text ${i} `.repeat(i));
  const answers = await Promise.all(texts.map((text) => client.encode(text)));
  expect(answers.map((ids) => Array.from(ids))).toEqual(texts.map((text) => local.encode(text)));
  const bare = await client.encodeAll(["a", "", "b"], { addSpecialTokens: false });
  expect(bare.map((ids) => Array.from(ids))).toEqual([[64], [], [65]]);
});

test("chat prompts", async () => {
  const messages = [{ role: "user", content: "hi" }];
  expect(await client.applyChatTemplate(messages, true)).toBe(
    local.applyChatTemplate(messages, true),
  );
});

test("a fault belongs to its call", async () => {
  const bad = client.applyChatTemplate(
    [{ role: "user", content: null as unknown as string }],
    true,
  );
  const good = client.encode("a");
  await expect(bad).rejects.toThrow();
  expect([...(await good)]).toEqual([128000, 64]);
});

test.each([
  ["many texts", Array.from({ length: 30_000 }, (_, i) => `Number ${i} of a long list. `)],
  ["a long text", [Array.from({ length: 300_000 }, (_, i) => `${i} `).join("")]],
  ["a long word", ["ab".repeat(500_000)]],
  ["a text of added tokens", ["<|eot_id|>".repeat(200_000)]],
])("%s does not keep others waiting", async (_, texts) => {
  let ended = false;
  const long = client.encodeAll(texts).then(() => (ended = true));
  for (const text of ["a", "b", "c"]) await client.encode(text);
  expect(ended).toBe(false);
  await long;
});

test("a tokenizer that cannot be opened rejects with the reason", async () => {
  await expect(TokenizerClient.start({ folder: "/nonexistent" })).rejects.toThrow(
    "/nonexistent has no tokenizer.json",
  );
});

test("closing rejects what is open and what comes later", async () => {
  const closing = await TokenizerClient.start(source);
  const open = closing.encode("x".repeat(100_000));
  const closed = closing.close();
  await expect(open).rejects.toThrow("closed");
  await closed;
  await expect(closing.encode("a")).rejects.toThrow("closed");
  expect(await closing.ended).toBe("the tokenizer is closed");
});

test("printable ids are seen alone and hold no control or special token", () => {
  const ids = printableIds(local.bytes);
  expect(ids.length).toBeGreaterThan(100_000);
  const text = (id: number) => local.decode([id], { skipSpecialTokens: false });
  const bad = [...ids].filter(
    (id) => id >= 128000 || text(id).trim() === "" || /[\p{C}\p{M}\ufffd]/u.test(text(id)),
  );
  expect(bad.slice(0, 5).map(text)).toEqual([]);
  expect(printableIds(local.bytes)).toContain(local.encode("A", { addSpecialTokens: false })[0]!);
});
