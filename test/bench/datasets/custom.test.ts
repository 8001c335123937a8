/** Proves that files of one's own are read in vLLM's and SGLang's form, and that bad lines are named. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { customDataset } from "../../../src/bench/datasets/custom.ts";
import { defaultOptions, type BenchOptions } from "../../../src/bench/options.ts";
import { NumpyRandom } from "../../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import { UserError } from "../../../src/user-error.ts";
import { requestsOf, wordTokenizer } from "../support.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "custom-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const notes: string[] = [];
function build(content: string, more: Partial<BenchOptions> = {}) {
  const datasetPath = join(folder, "prompts.jsonl");
  writeFileSync(datasetPath, content);
  notes.length = 0;
  return requestsOf(
    customDataset({
      options: { ...defaultOptions, datasetPath, ...more },
      tokenizer: wordTokenizer(),
      python: new PythonRandom(0),
      numpy: new NumpyRandom(0),
      note: (line) => void notes.push(line),
    }),
  );
}

const lines = [
  '{"prompt": "one two", "output_tokens": 7}',
  "",
  '{"prompt": [5, 6, 7], "output_tokens": 0}',
  '{"conversations": [{"content": "a b c"}, {"content": "d e"}]}',
  '{"conversations": [{"from": "human", "value": "a"}], "more": 1}',
  '{"prompt": "x \\ud83d"}',
].join("\r\n");

test("both forms, in the order of the file", () => {
  expect(build(lines)).toEqual([
    { prompt: "one two", promptLen: 2, outputLen: 7 },
    { prompt: [5, 6, 7], promptLen: 3, outputLen: 0 },
    { prompt: "a b c", promptLen: 3, outputLen: 2 },
    { prompt: "a", promptLen: 1, outputLen: 256 },
    { prompt: "x \ufffd", promptLen: 2, outputLen: 256 },
  ]);
  expect(notes[0]).toContain("has 5 prompts, fewer than --num-prompts 1000");
});

test("--num-prompts takes the first, --sharegpt-output-len all output lengths", () => {
  expect(build(lines, { numPrompts: 2, sharegptOutputLen: 9 })).toEqual([
    { prompt: "one two", promptLen: 2, outputLen: 9 },
    { prompt: [5, 6, 7], promptLen: 3, outputLen: 9 },
  ]);
  expect(notes).toEqual([]);
});

describe("what is refused, with the line", () => {
  test.each([
    ["{", ":1 is not JSON"],
    ['{"prompt": "a"}\n{"text": "a"}', ":2 has no prompt; expected"],
    ['{"prompt": 3}', ":1 has no prompt"],
    ['{"prompt": []}', ":1 has no prompt"],
    ["null", ":1 has no prompt"],
    ['{"conversations": []}', ":1 has no prompt"],
    ['{"prompt": "a", "output_tokens": "4"}', ':1: "output_tokens" is "4"'],
    ['{"prompt": "a", "output_tokens": -1}', ':1: "output_tokens" is -1'],
  ])("%s", (content, message) => {
    expect(() => build(content)).toThrow(message);
  });

  test("no file", () => {
    const context = { options: { ...defaultOptions, datasetPath: "" } } as never;
    expect(() => customDataset(context)).toThrow("custom needs --dataset-path");
    expect(() => build("", { datasetPath: join(folder, "none") })).toThrow("does not exist");
  });
});

test("any JSON gives requests or a sentence", () => {
  const line = fc.oneof(
    fc.jsonValue(),
    fc.record({ prompt: fc.jsonValue(), output_tokens: fc.jsonValue() }, { requiredKeys: [] }),
    fc.record({ conversations: fc.array(fc.record({ content: fc.jsonValue() })) }),
  );
  fc.assert(
    fc.property(line, (value) => {
      try {
        for (const { promptLen, outputLen } of build(JSON.stringify(value))) {
          expect(promptLen).toBeGreaterThanOrEqual(0);
          expect(outputLen).toBeGreaterThanOrEqual(0);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }),
  );
});
