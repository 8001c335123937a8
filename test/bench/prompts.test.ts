/** Proves that salted prompts are new to a prefix cache, as long as they say, and that templates go around prompts. */
import { describe, expect, test } from "bun:test";
import { syntheticConversations } from "../../src/bench/datasets/synthetic.ts";
import { keptDataset, type Dataset } from "../../src/bench/datasets/dataset.ts";
import { defaultOptions } from "../../src/bench/options.ts";
import { Prompts } from "../../src/bench/prompts.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { requestsOf, wordTokenizer } from "./support.ts";
import { tokenFlag } from "../../src/tokenizer/tokenizer.ts";

const tokenizer = loadTokenizer({ asset: "llama3_1.tokenizer" });
const text = "The quick brown fox jumps over the lazy dog.";
const source = "a test";
const texts = keptDataset(
  [
    { prompt: text, promptLen: 100, outputLen: 1 },
    { prompt: text, promptLen: 11, outputLen: 1 },
  ],
  { source },
);
const ids = keptDataset([{ prompt: [1, 2, 3, 4, 5, 6], promptLen: 6, outputLen: 1 }], { source });
const prompts = (dataset: Dataset, more: object = {}) =>
  new Prompts(dataset, tokenizer, { ...defaultOptions, ...more });

describe("a salt", () => {
  test("none leaves prompts as they are, in the first round", () => {
    expect(prompts(texts).request(0, 0)).toEqual(requestsOf(texts)[0]!);
    expect(prompts(texts).request(0, 1).prompt).not.toBe(text);
  });

  test("of the same text gives the same prompts, another others", () => {
    const a = prompts(texts, { salt: "a" });
    expect(prompts(texts, { salt: "a" }).request(0, 0)).toEqual(a.request(0, 0));
    const all = [
      a.request(0, 0),
      a.request(1, 0),
      a.request(0, 1),
      prompts(texts, { salt: "b" }).request(0, 0),
    ];
    expect(new Set(all.map(({ prompt }) => prompt)).size).toBe(4);
    for (const { prompt } of all) expect(prompt).toEndWith(` ${text}`);
  });

  test("'random' is another every time", () => {
    const [a, b] = [0, 1].map(() => prompts(texts, { salt: "random" }).request(0, 0).prompt);
    expect(a).not.toBe(b as string);
  });

  test("the recorded length grows by what it adds, whatever the prompt", () => {
    for (const [prompt] of syntheticConversations(1).slice(0, 300)) {
      const requests = [{ prompt, promptLen: 100, outputLen: 1 }];
      const salted = prompts(keptDataset(requests, { source }), { salt: "a" }).request(0, 0);
      const measured = tokenizer.encode(salted.prompt as string).length;
      const added = measured - tokenizer.encode(prompt).length;
      expect(added).toBeGreaterThan(0);
      expect(salted.promptLen).toBe(100 + added);
    }
  });

  test("ids stay as many, and are none of a special meaning", () => {
    const salted = prompts(ids, { salt: "a" }).request(0, 0);
    const changed = salted.prompt as number[];
    expect([changed.length, salted.promptLen, changed.slice(4)]).toEqual([6, 6, [5, 6]]);
    expect(changed.slice(0, 4)).not.toEqual([1, 2, 3, 4]);
    for (const id of changed) expect(tokenizer.bytes.flags[id]! & tokenFlag.special).toBe(0);
  });

  test("prompts that share a beginning share it still", () => {
    const shared = prompts({ ...texts, sharesPrefixes: true }, { salt: "a" });
    expect(shared.request(0, 0).prompt).toBe(shared.request(1, 0).prompt as string);
    expect(shared.request(0, 0).prompt).not.toBe(shared.request(0, 1).prompt as string);
  });
});

test("a chat template, without the first token that the server adds itself", () => {
  const { prompt, promptLen } = prompts(texts, { applyChatTemplate: true }).request(0, 0);
  expect(prompt).toStartWith("<|start_header_id|>");
  expect(prompt).toContain(`<|start_header_id|>user<|end_header_id|>\n\n${text}<|eot_id|>`);
  expect(prompt).toEndWith("<|start_header_id|>assistant<|end_header_id|>\n\n");
  expect(promptLen).toBe(tokenizer.encode(prompt as string).length);
});

const refuses = () => {
  throw new Error("no users here");
};

test("a tokenizer without a template, or one that refuses, is a sentence", () => {
  const options = { ...defaultOptions, applyChatTemplate: true };
  const plain = wordTokenizer();
  expect(() => new Prompts(texts, { ...plain, hasChatTemplate: false }, options)).toThrow(
    "the tokenizer has no chat template",
  );
  const strict = { ...plain, applyChatTemplate: refuses };
  expect(() => new Prompts(texts, strict, options)).toThrow(
    "--apply-chat-template: the tokenizer's template refuses a prompt: no users here",
  );
});
