/** Proves that generated shared prefixes are SGLang's, draw for draw, and that a wanted ratio of cache hits comes about. */
import { describe, expect, test } from "bun:test";
import { prefixLengths, sharedPrefixDataset } from "../../../src/bench/datasets/shared-prefix.ts";
import { defaultOptions, type BenchOptions } from "../../../src/bench/options.ts";
import { NumpyRandom } from "../../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import { loadTokenizer } from "../../../src/tokenizer/huggingface.ts";
import { requestsOf } from "../support.ts";
import golden from "../../fixtures/bench/shared_prefix.json" with { type: "json" };

const tokenizer = loadTokenizer({ asset: "llama3_1.tokenizer" });

function build(more: Partial<BenchOptions>) {
  const notes: string[] = [];
  const options = { ...defaultOptions, decodeCleanup: false, ...more };
  const dataset = sharedPrefixDataset({
    options,
    tokenizer,
    python: new PythonRandom(options.seed),
    numpy: new NumpyRandom(options.seed),
    note: (line) => void notes.push(line),
  });
  return { requests: requestsOf(dataset), notes };
}

test.each(golden)(
  "seed $seed, $gspNumGroups groups of $gspPromptsPerGroup",
  ({ requests, ...asked }) => {
    const built = build({ ...asked, gspOutputLen: 9 });
    expect(built.requests).toEqual(requests.map((request) => ({ ...request, outputLen: 9 })));
  },
);

/** Tokens that each prompt shares with one before it, over all tokens: what a perfect cache finds. */
function measuredHits(prompts: readonly string[]): number {
  const seen: (readonly number[])[] = [];
  let [hits, total] = [0, 0];
  for (const prompt of prompts) {
    const ids = tokenizer.encode(prompt);
    const shared = seen.map((other) => {
      const end = ids.findIndex((id, i) => id !== other[i]);
      return end < 0 ? ids.length : end;
    });
    hits += Math.max(0, ...shared);
    total += ids.length;
    seen.push(ids);
  }
  return hits / total;
}

describe("--cache-hit-ratio", () => {
  test.each([0.2, 0.5, 0.8])("%d comes about", (cacheHitRatio) => {
    const asked = {
      gspNumGroups: 4,
      gspPromptsPerGroup: 10,
      gspSystemPromptLen: 300,
      gspQuestionLen: 200,
    };
    const { requests, notes } = build({ ...asked, cacheHitRatio });
    const hits = measuredHits(requests.map(({ prompt }) => prompt as string));
    expect(Math.abs(hits - cacheHitRatio)).toBeLessThan(0.02);
    expect(notes[0]).toContain(`would hold ${(100 * cacheHitRatio).toFixed(0).slice(0, 1)}`);
  });

  test("none wanted leaves the lengths; the sum of them stays", () => {
    expect(prefixLengths(defaultOptions)).toEqual({ systemLen: 2048, questionLen: 128 });
    const { systemLen, questionLen } = prefixLengths({ ...defaultOptions, cacheHitRatio: 0.25 });
    expect(systemLen + questionLen).toBe(2048 + 128);
    expect(prefixLengths({ ...defaultOptions, cacheHitRatio: 0 }).systemLen).toBe(0);
  });

  test("more than the groups allow is refused", () => {
    expect(() =>
      prefixLengths({ ...defaultOptions, gspPromptsPerGroup: 4, cacheHitRatio: 0.75 }),
    ).toThrow("--cache-hit-ratio: 0.75 cannot be reached with 4 prompts a group");
  });
});
