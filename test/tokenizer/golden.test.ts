/** Ids and chat prompts against those of Hugging Face's Python libraries (`scripts/fixtures-tokenizer.py`). */
import { describe, expect, test } from "bun:test";
import ids from "../fixtures/tokenizer/llama3_1_ids.json";
import chat from "../fixtures/tokenizer/chat.json";
import { HuggingFaceTokenizer, loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import { readTokenizerFiles } from "../../src/tokenizer/source.ts";
import type { ChatMessage, Tokenizer } from "../../src/tokenizer/tokenizer.ts";

const source = { asset: "llama3_1.tokenizer" } as const;
const tokenizer = loadTokenizer(source);

describe("Llama 3.1", () => {
  for (const [i, { text, ids: expected }] of ids.entries()) {
    test(`ids of text ${i}: ${JSON.stringify(text).slice(0, 40)}`, () => {
      expect(tokenizer.encode(text, { addSpecialTokens: false })).toEqual(expected);
      expect(tokenizer.decode(expected, { skipSpecialTokens: false })).toBe(text);
    });
  }

  test("BOS comes first unless it is not wanted", () => {
    expect(tokenizer.encode("")).toEqual([128000]);
    expect(tokenizer.encode("", { addSpecialTokens: false })).toEqual([]);
    expect(tokenizer.encode("<|begin_of_text|>a")).toEqual([128000, 128000, 64]);
  });

  test("facts", () => {
    const { vocabSize, baseVocabSize, bosId, eosIds, hasChatTemplate } = tokenizer;
    expect({ vocabSize, baseVocabSize, bosId, eosIds, hasChatTemplate }).toEqual({
      vocabSize: 128256,
      baseVocabSize: 128000,
      bosId: 128000,
      eosIds: [128009],
      hasChatTemplate: true,
    });
  });

  test("a lone surrogate is read as U+FFFD", () => {
    expect(tokenizer.encode("a\ud800b")).toEqual(tokenizer.encode("a\ufffdb"));
  });

  test("a word of 100,000 characters is encoded in one piece", () => {
    const encoded = tokenizer.encode("xy".repeat(50_000), { addSpecialTokens: false });
    expect(tokenizer.decode(encoded)).toBe("xy".repeat(50_000));
  });
});

interface Rendered {
  readonly prompt?: string;
  readonly error?: string;
}
interface ChatCase extends Rendered {
  readonly template: string;
  readonly messages: readonly ChatMessage[];
  readonly addGenerationPrompt: boolean;
}
const cases: readonly ChatCase[] = chat.cases;

function render(by: Tokenizer, messages: readonly ChatMessage[], generate: boolean): Rendered {
  try {
    return { prompt: by.applyChatTemplate(messages, generate) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

describe("chat templates", () => {
  const files = readTokenizerFiles(source);
  const tokenizers: Record<string, Tokenizer> = { llama3: tokenizer };
  for (const [name, template] of Object.entries(chat.templates)) {
    const config = { ...files.config, chat_template: template };
    tokenizers[name] = new HuggingFaceTokenizer({ ...files, config });
  }
  for (const [i, { template, messages, addGenerationPrompt, ...expected }] of cases.entries()) {
    test(`${template}, case ${i}`, () => {
      expect(render(tokenizers[template]!, messages, addGenerationPrompt)).toEqual(expected);
    });
  }

  test("strftime_now gives today's date as Python does", () => {
    const config = { ...files.config, chat_template: "{{ strftime_now('%d %b %Y') }}" };
    const before = new Date();
    const prompt = new HuggingFaceTokenizer({ ...files, config }).applyChatTemplate([], false);
    const dates = [before, new Date()].map((date) => {
      const [, month, day, year] = date.toDateString().split(" ");
      return `${day} ${month} ${year}`;
    });
    expect(dates).toContain(prompt);
  });

  test("without a template it says so", () => {
    const { chat_template: _, ...config } = files.config;
    const bare = new HuggingFaceTokenizer({ ...files, config });
    expect(bare.hasChatTemplate).toBe(false);
    expect(() => bare.applyChatTemplate([], false)).toThrow("chat_template");
  });
});
