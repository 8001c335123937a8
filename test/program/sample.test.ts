/** Sampling: draws against a float64 reference and known Philox vectors, filters, logprobs, rows without a token. */
import { describe, expect, test } from "bun:test";
import type { Device, ProgramLimits } from "../../src/program/index.ts";
import { StepResults, StepWriter } from "../../src/program/index.ts";
import {
  describeEachIsa,
  limitsOf,
  plainStep,
  Random,
  withDevice,
  writeStep,
  type RowSpec,
} from "./harness.ts";
import * as reference from "./reference.ts";

/** Samples rows of `logits` [T, V]; row specs name their token. */
function sample(
  device: Device,
  logits: Float32Array,
  vocabulary: number,
  rows: RowSpec[],
): StepResults {
  const tokens = logits.length / vocabulary;
  const step = plainStep(tokens, rows);
  const limits: ProgramLimits = limitsOf(step);
  const b = device.program(limits);
  const tensor = device.constant(logits, { dtype: "f32", rows: tokens, cols: vocabulary });
  b.sample(b.rows(b.load(tensor)));
  const program = b.compile();
  const results = new StepResults(limits);
  program.wait(program.run(writeStep(new StepWriter(limits), step)), results);
  program.free();
  return results;
}

const tokensOf = (results: StepResults) =>
  Array.from({ length: results.rowCount }, (_, row) => results.token(row));

/** Logits like a model's: a few likely tokens over a broad floor. */
function modelLogits(random: Random, count: number): Float32Array {
  return random.floats(count, 3).map((x, i) => (i % 97 === 5 ? x + 8 : x));
}

const hex = (words: number[]) => words.map((w) => w.toString(16).padStart(8, "0")).join(" ");

test("the reference Philox4x32-10 gives the published vectors of Random123", () => {
  const ones = 0xffffffff;
  expect(hex(reference.philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  expect(hex(reference.philox([ones, ones, ones, ones], [ones, ones]))).toBe(
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
  );
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  expect(hex(reference.philox(pi, [0xa4093822, 0x299f31d0]))).toBe(
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

describeEachIsa("greedy", (isa) => {
  test("the lowest id among equals, at any place of any row", () => {
    withDevice(isa, (device) => {
      for (const vocabulary of [1, 3, 16, 17, 1000]) {
        const random = new Random(10);
        const at = Array.from({ length: 9 }, () => random.below(vocabulary));
        const logits = random.floats(9 * vocabulary);
        at.forEach((id, row) => {
          logits[row * vocabulary + id] = 2;
          logits[row * vocabulary + vocabulary - 1] = 2;
        });
        const rows = at.map((_, token) => ({ token }));
        expect(tokensOf(sample(device, logits, vocabulary, rows))).toEqual(at);
      }
    });
  });

  test("rows with NaN or no finite maximum have no token; the others are not affected", () => {
    withDevice(isa, (device) => {
      const vocabulary = 37;
      const logits = new Random(11).floats(5 * vocabulary);
      logits[36] = NaN;
      logits[2 * vocabulary + 5] = Infinity;
      logits.fill(-Infinity, 3 * vocabulary, 4 * vocabulary);
      logits[1 * vocabulary + 8] = 5;
      logits[4 * vocabulary + 9] = 5;
      const rows = [0, 1, 2, 3, 4].map((token) => ({ token, topCount: 2 }));
      const results = sample(device, logits, vocabulary, rows);
      expect(tokensOf(results)).toEqual([-1, 8, -1, -1, 9]);
      for (const row of [0, 2, 3]) {
        expect(results.logprob(row)).toBeNaN();
        expect(results.topToken(row, 1)).toBe(-1);
      }
      expect(results.topToken(1, 0)).toBe(8);
      const draws = rows.map(({ token }) => ({ token, draw: { temperature: 1 } }));
      const drawn = sample(device, logits, vocabulary, draws);
      expect(tokensOf(drawn).map((t) => t === -1)).toEqual([true, false, true, true, false]);
    });
  });

  test("tokens with a logit of -infinity are never drawn", () => {
    withDevice(isa, (device) => {
      const logits = new Float32Array(2000).fill(-Infinity);
      logits[1999] = -3;
      const rows = Array.from({ length: 20 }, (_, seed) => ({
        token: 0,
        draw: { temperature: 2, seed },
      }));
      expect(new Set(tokensOf(sample(device, logits, 2000, rows)))).toEqual(new Set([1999]));
    });
  });
});

const manySeeds = (draw: object): RowSpec[] =>
  Array.from({ length: 200 }, (_, seed) => ({
    token: 0,
    draw: { temperature: 1, seed, ...draw },
  }));

describeEachIsa("draws", (isa) => {
  const cases = [
    { temperature: 1 },
    { temperature: 0.3 },
    { temperature: 5 },
    { temperature: 1, topK: 1 },
    { temperature: 1, topK: 40 },
    { temperature: 0.7, topP: 0.9 },
    { temperature: 2, topP: 0.999 },
    { temperature: 1, topP: 1e-6 },
    { temperature: 1, minP: 0.05 },
    { temperature: 1, minP: 1 },
    { temperature: 1.3, topK: 100, topP: 0.8, minP: 0.001 },
  ];
  for (const filters of cases) {
    test(`${JSON.stringify(filters)} as the reference`, () => {
      withDevice(isa, (device) => {
        for (const vocabulary of [5, 1000, 5000]) {
          const logits = modelLogits(new Random(12), vocabulary);
          const rows = Array.from({ length: 60 }, (_, i) => ({
            token: 0,
            draw: { ...filters, seed: i % 2 ? i * 7919 : 2 ** 53 - 1 - i, position: i },
          }));
          const full = { topP: 1, topK: Infinity, minP: 0, ...filters };
          const kept = reference.filtered(logits, full);
          const want = rows.map(({ draw }) => {
            return reference.draw(kept, reference.uniform(draw.seed, draw.position));
          });
          expect(tokensOf(sample(device, logits, vocabulary, rows))).toEqual(want);
        }
      });
    });
  }

  test("equal logits: filters keep the lowest ids", () => {
    withDevice(isa, (device) => {
      const logits = new Float32Array(3000).fill(0.25);
      const most = (draw: object) =>
        Math.max(...tokensOf(sample(device, logits, 3000, manySeeds(draw))));
      expect(most({ topK: 3 })).toBe(2);
      expect(most({ topP: 0.0015 })).toBe(4); // tokens with at most 0.0015 before them: 0 .. 4
      expect(most({})).toBeGreaterThan(2900);
    });
  });

  test("frequencies follow the probabilities (chi-square)", () => {
    withDevice(isa, (device) => {
      const logits = Float32Array.from([0, 1, 2, -1, 0.5, 3, -3, 1.5]);
      const count = 4000;
      const rows = Array.from({ length: count }, (_, i) => ({
        token: 0,
        draw: { temperature: 1.5, seed: 42, position: i },
      }));
      const seen = new Float64Array(8);
      for (const token of tokensOf(sample(device, logits, 8, rows))) seen[token]!++;
      const kept = reference.filtered(logits, { temperature: 1.5, topP: 1, topK: 8, minP: 0 });
      const chi2 = seen.reduce(
        (a, n, i) => a + (n - kept[i]! * count) ** 2 / (kept[i]! * count),
        0,
      );
      expect(chi2).toBeLessThan(24.3); // 7 degrees of freedom: 1 in 1000 by chance, and the seed is fixed
    });
  });
});

describeEachIsa("logprobs", (isa) => {
  const vocabulary = 1234;
  const logits = modelLogits(new Random(13), vocabulary);
  const logSoftmax = (temperature: number) =>
    reference.filtered(logits, { temperature, topP: 1, topK: Infinity, minP: 0 }).map(Math.log);
  const order = Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);

  test("of greedy, target and drawn tokens, with alternatives", () => {
    withDevice(isa, (device) => {
      const results = sample(device, logits, vocabulary, [
        { token: 0, logprobs: true },
        { token: 0, target: 77, topCount: 20 },
        { token: 0, draw: { temperature: 0.5, topK: 3, seed: 9 }, topCount: 1 },
        { token: 0 },
      ]);
      const [plain, cold] = [logSoftmax(1), logSoftmax(0.5)];
      expect(results.token(0)).toBe(order[0]!);
      expect(results.logprob(0)).toBeCloseTo(plain[order[0]!]!, 5);
      expect(results.topCount(0)).toBe(0);
      expect(results.token(1)).toBe(77);
      expect(results.logprob(1)).toBeCloseTo(plain[77]!, 5);
      for (let i = 0; i < 20; i++) {
        expect(results.topToken(1, i)).toBe(order[i]!);
        expect(results.topLogprob(1, i)).toBeCloseTo(plain[order[i]!]!, 5);
      }
      expect(order.slice(0, 3)).toContain(results.token(2));
      expect(results.logprob(2)).toBeCloseTo(cold[results.token(2)]!, 5);
      expect(results.topToken(2, 0)).toBe(order[0]!);
      expect(results.topLogprob(2, 0)).toBeCloseTo(cold[order[0]!]!, 5);
      expect(results.logprob(3)).toBeNaN();
    });
  });

  test("of tokens by name, beside alternatives, adjusted like the rest", () => {
    const asked = Array.from({ length: 128 }, (_, i) => (i * 7919) % vocabulary);
    withDevice(isa, (device) => {
      const results = sample(device, logits, vocabulary, [
        { token: 0, asked: [5, 0, 5, vocabulary - 1] },
        { token: 0, topCount: 20, asked },
        { token: 0 },
        { token: 0, target: 77, topCount: 2, asked: [77] },
        { token: 0, draw: { temperature: 0.5, topK: 3, seed: 9 }, asked: [1] },
        { token: 0, adjust: { biases: [[5, -Infinity]] }, asked: [5] },
      ]);
      const [plain, cold] = [logSoftmax(1), logSoftmax(0.5)];
      const rated = (row: number) =>
        Array.from({ length: results.askedCount(row) }, (_, i) => results.askedToken(row, i));
      expect([0, 1, 2, 3, 4].map(rated)).toEqual([[5, 0, 5, vocabulary - 1], asked, [], [77], [1]]);
      expect(results.logprob(0)).toBeCloseTo(plain[order[0]!]!, 5);
      [5, 0, 5, vocabulary - 1].forEach((token, i) =>
        expect(results.askedLogprob(0, i)).toBeCloseTo(plain[token]!, 4),
      );
      asked.forEach((token, i) => expect(results.askedLogprob(1, i)).toBeCloseTo(plain[token]!, 4));
      expect(results.topToken(1, 19)).toBe(order[19]!);
      expect(results.askedLogprob(3, 0)).toBe(results.logprob(3));
      expect(results.topToken(3, 1)).toBe(order[1]!);
      expect(results.askedLogprob(4, 0)).toBeCloseTo(cold[1]!, 4);
      expect(results.askedLogprob(5, 0)).toBe(-Infinity);
    });
  });

  test("of tokens by name are NaN where a row has no token", () => {
    withDevice(isa, (device) => {
      const bad = logits.slice();
      bad[3] = NaN;
      const results = sample(device, bad, vocabulary, [{ token: 0, topCount: 1, asked: [7, 8] }]);
      expect(results.token(0)).toBe(-1);
      expect([results.askedToken(0, 0), results.askedToken(0, 1)]).toEqual([7, 8]);
      expect([results.askedLogprob(0, 0), results.askedLogprob(0, 1)]).toEqual([NaN, NaN]);
    });
  });
});

describe("step writer", () => {
  test("a seed of 53 bits reaches both words", () => {
    const limits = limitsOf(plainStep(1, [{ token: 0 }]));
    const writer = writeStep(
      new StepWriter(limits),
      plainStep(1, [{ token: 0, draw: { seed: 2 ** 53 - 2 } }]),
    );
    const count = writer.finish();
    const row = writer.words.subarray(count - 10, count);
    expect([row[5]! >>> 0, row[6]]).toEqual([0xfffffffe, 0x1fffff]);
  });
});
