/** Long texts and words, which are worked on in steps, become the ids that they become at once. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Bpe } from "../../src/tokenizer/bpe.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { readTokenizerFiles } from "../../src/tokenizer/source.ts";
import { isByteLevel } from "../../src/tokenizer/vocabulary.ts";

const source = { asset: "llama3_1.tokenizer" } as const;
const tokenizer = loadTokenizer(source);
const { vocabulary, json } = readTokenizerFiles(source);
const bpe = new Bpe(vocabulary, json, isByteLevel(json));

test("a text of many lines is its lines", () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `Line ${i}: it's 😀 <|eot_id|> fine.\n`);
  const bare = { addSpecialTokens: false };
  const expected = lines.flatMap((line) => tokenizer.encode(line, bare));
  expect(tokenizer.encode(lines.join(""), bare)).toEqual(expected);
});

test("a word in steps is the word at once", () => {
  const letters = fc.constantFrom("a", "b", "the", "ing", "é", "€", "😀", "0", " ", "\n");
  const word = fc
    .array(letters, { minLength: 1, maxLength: 3000, size: "max" })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(word, (text) => {
      const atOnce: number[] = [];
      bpe.encode(text, atOnce);
      const inSteps: number[] = [];
      const steps = bpe.encodeLong(text, inSteps);
      while (!steps.next().done);
      expect(inSteps).toEqual(atOnce);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test("steps of several words may be taken by turns", () => {
  const words = ["ab".repeat(20_000), "the".repeat(10_000)];
  const ids = words.map((): number[] => []);
  const steps = words.map((word, i) => bpe.encodeLong(word, ids[i]!));
  for (let going = true; going;) {
    going = false;
    for (const word of steps) if (!word.next().done) going = true;
  }
  const bare = { addSpecialTokens: false };
  expect(ids).toEqual(words.map((word) => tokenizer.encode(word, bare)));
});
