/** Records of tokens that a row is asked for by name: what is wrong with one is said, and the device is left alone. */
import { afterAll, expect, test } from "bun:test";
import { Device, StepWriter } from "../../src/program/index.ts";
import { limitsOf, plainStep, writeStep } from "./harness.ts";

const vocabulary = 9;
const step = plainStep(2, [
  { token: 0, asked: [3] },
  { token: 1, asked: [4, 5] },
]);
const device = new Device("null", {});
const limits = limitsOf(step);
const builder = device.program(limits);
const table = device.constant(new Float32Array(vocabulary * 4), {
  dtype: "f32",
  rows: vocabulary,
  cols: 4,
});
builder.sample(builder.linear(builder.rows(builder.embed(table)), table));
const program = builder.compile();
const writer = new StepWriter(limits);
afterAll(() => {
  program.free();
  device.close();
});

/** The step with some words changed, counted from the end. */
function run(changes: readonly (readonly [fromEnd: number, word: number])[], asked?: number) {
  const count = writeStep(writer, step).finish();
  const words = writer.words.slice(0, count);
  for (const [fromEnd, word] of changes) words[count - fromEnd] = word;
  if (asked !== undefined) words[6] = asked;
  return program.run({ words, finish: () => count } as unknown as StepWriter);
}

test.each([
  ["of a row that does not exist", [[4, 2]], "asked tokens: row at word[3]: expected 1..1, got 2"],
  ["of the same row twice", [[4, 0]], "asked tokens: row at word[3]: expected 1..1, got 0"],
  ["of no token", [[3, 0]], "asked tokens of row[1]: expected 1..128, got 0"],
  ["of too many tokens", [[3, 129]], "asked tokens of row[1]: expected 1..128, got 129"],
  ["longer than the step", [[3, 3]], "asked tokens of row 1: expected 3, got 2"],
  ["of a token that does not exist", [[1, 9]], "asked token[1]: expected 0..8, got 9"],
  ["of a negative token", [[2, -1]], "asked token[0]: expected 0..8, got -1"],
  ["with a word left over", [[3, 1]], "asked tokens: expected 2 words more, got 1"],
] as const)("a record %s", (_, changes, sentence) => {
  expect(() => run(changes)).toThrow(sentence);
});

test("words of asked tokens that are not there", () => {
  for (const [claimed, sentence] of [
    [-1, "words of adjustments and of asked tokens: expected 0.."],
    [2 ** 31 - 1, "words of adjustments and of asked tokens: expected 0.."],
    [8, /expected \d+ words, got/],
    [0, "step: expected"],
  ] as const) {
    expect(() => run([], claimed)).toThrow(sentence);
  }
});
