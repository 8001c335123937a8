/** Proves that exact random texts are exactly as many tokens, are random, and are the same for the same seed. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import seedrandom from "seedrandom";
import { ExactWriter, randomExactDataset } from "../../../src/bench/datasets/random-exact.ts";
import { defaultOptions, type BenchOptions } from "../../../src/bench/options.ts";
import { NumpyRandom } from "../../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import { loadTokenizer } from "../../../src/tokenizer/huggingface.ts";
import { realModel } from "../../support/real-model.ts";
import { requestsOf, wordTokenizer } from "../support.ts";

const llama = loadTokenizer({ asset: "llama3_1.tokenizer" });
const why = realModel.folder === null ? ` (skipped: ${realModel.reason})` : "";

function build(more: Partial<BenchOptions>) {
  const options = { ...defaultOptions, numPrompts: 20, ...more };
  const numpy = new NumpyRandom(options.seed);
  const python = new PythonRandom(options.seed);
  const context = { options, tokenizer: llama, python, numpy, note: () => {} };
  const dataset = randomExactDataset(context);
  return { requests: requestsOf(dataset), renew: dataset.renew! };
}

test("any length, encoded again, is that length", () => {
  const writer = new ExactWriter(llama);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 3000 }), fc.string(), (length, seed) => {
      const { prompt, promptLen } = writer.write(length, seedrandom(seed));
      expect(promptLen).toBe(length);
      expect(llama.encode(prompt)).toHaveLength(length);
    }),
    { numRuns: 60 },
  );
});

test.skipIf(realModel.folder === null)(`of another tokenizer too${why}`, () => {
  const other = loadTokenizer({ folder: realModel.folder! });
  const writer = new ExactWriter(other);
  for (const length of [2, 3, 17, 500, 2048]) {
    const { prompt } = writer.write(length, seedrandom(`${length}`));
    expect(other.encode(prompt)).toHaveLength(length);
  }
});

describe("the data set", () => {
  test("has the lengths that random draws, and no two prompts alike", () => {
    const asked = { randomInputLen: 200, randomOutputLen: 30, randomRangeRatio: 0.5, seed: 7 };
    const { requests } = build(asked);
    const numpy = new NumpyRandom(7);
    expect(requests.map(({ promptLen }) => promptLen)).toEqual([...numpy.integers(100, 201, 20)]);
    expect(requests.map(({ outputLen }) => outputLen)).toEqual([...numpy.integers(15, 31, 20)]);
    expect(new Set(requests.map(({ prompt }) => prompt)).size).toBe(20);
    expect(build(asked).requests).toEqual(requests);
    expect(build({ ...asked, seed: 8 }).requests).not.toEqual(requests);
  });

  test("a prompt has a word at least, besides what the tokenizer puts in front", () => {
    const { requests } = build({ randomInputLen: 1 });
    for (const { prompt, promptLen } of requests) {
      expect(promptLen).toBe(2);
      expect(llama.encode(prompt as string)).toHaveLength(2);
    }
  });

  test("renewed prompts are others of the same length, the same for the same mark", () => {
    const { requests, renew } = build({ randomInputLen: 50 });
    const { prompt, promptLen } = requests[0]!;
    const again = renew(promptLen, "a") as string;
    expect(again).not.toBe(prompt as string);
    expect(llama.encode(again)).toHaveLength(promptLen);
    expect(renew(promptLen, "a")).toBe(again);
    expect(renew(promptLen, "b")).not.toBe(again);
  });
});

test("a tokenizer without words is refused", () => {
  expect(() => new ExactWriter(wordTokenizer())).toThrow("--dataset-name: random-exact");
});
