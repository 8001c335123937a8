/** Penalties and biases of rows: against a float64 reference, with tokens that the host does not know yet. */
import { afterAll, describe, expect, test } from "bun:test";
import { Device, StepResults, StepWriter } from "../../src/program/index.ts";
import {
  describeEachIsa,
  difference,
  limitsOf,
  plainStep,
  Random,
  withDevice,
  writeStep,
  type Adjustment,
  type RowSpec,
  type StepSpec,
} from "./harness.ts";
import * as reference from "./reference.ts";

type Pairs = readonly (readonly [number, number])[];

interface Outcome {
  readonly results: StepResults;
  /** As adjusted, row by row. */
  readonly logits: Float32Array;
}

/** Draws rows from `logits`, all from the first token's. */
function sample(device: Device, logits: Float32Array, rows: readonly RowSpec[]): Outcome {
  const step = plainStep(1, rows);
  const limits = limitsOf(step);
  const b = device.program(limits);
  const shape = { dtype: "f32", rows: 1, cols: logits.length } as const;
  const value = b.rows(b.load(device.constant(logits, shape)));
  b.keep(value);
  b.sample(value);
  const program = b.compile();
  const results = new StepResults(limits);
  program.wait(program.run(writeStep(new StepWriter(limits), step)), results);
  const out = new Float32Array(rows.length * logits.length);
  program.read(value, out);
  program.free();
  return { results, logits: out };
}

/** About `share` of all tokens, with a number each. */
function some(random: Random, vocabulary: number, share: number, value: () => number): Pairs {
  const ids = Array.from({ length: vocabulary }, (_, id) => id);
  return ids.filter(() => random.below(1000) < 1000 * share).map((id) => [id, value()] as const);
}

const parts = ["frequency", "presence", "repetition", "biases", "forbidden"] as const;
type Part = (typeof parts)[number];

function randomAdjustment(random: Random, vocabulary: number, wanted: ReadonlySet<Part>) {
  const number = (scale: number) => Math.fround((random.bits() / 2 ** 31 - 1) * scale);
  const counts = some(random, vocabulary, 0.3, () => 1 + random.below(40));
  const values = { frequency: number(2), presence: number(2), repetition: number(0.9) + 1 };
  const biases = some(random, vocabulary, 0.2, () => number(9));
  const merged = new Map(wanted.has("biases") ? biases : []);
  for (const [id] of some(random, vocabulary, wanted.has("forbidden") ? 0.2 : 0, () => 0)) {
    merged.set(id, -Infinity);
  }
  const penalties = Object.fromEntries(
    Object.entries(values).filter(([name]) => wanted.has(name as Part)),
  ) as reference.Penalties;
  return { ...penalties, counts, biases: [...merged].sort(([a], [b]) => a - b) };
}

const expected = (logits: Float32Array, a: Adjustment) =>
  reference.adjusted(logits, a, new Map(a.counts), new Map(a.biases));

/** -Infinity is not within any tolerance of itself. */
const bounded = (values: ArrayLike<number>) =>
  Float32Array.from(values, (x) => (x === -Infinity ? -1e6 : x));

const combinations = Array.from({ length: 2 ** parts.length }, (_, bits) => {
  return new Set(parts.filter((_part, i) => (bits >> i) & 1));
});

describeEachIsa("adjusted logits", (isa) => {
  test("every combination of adjustments as the reference; rows without any stay as they are", () => {
    withDevice(isa, (device) => {
      const random = new Random(30);
      for (const vocabulary of [1, 7, 1000]) {
        const logits = random.floats(vocabulary, 4);
        const adjustments = combinations.map((wanted) =>
          randomAdjustment(random, vocabulary, wanted),
        );
        const rows = adjustments.flatMap((adjust) => [{ token: 0, adjust }, { token: 0 }]);
        const got = sample(device, logits, rows).logits;
        adjustments.forEach((adjust, i) => {
          const [adjusted, plain] = [2 * i, 2 * i + 1].map((row) =>
            got.subarray(row * vocabulary, (row + 1) * vocabulary),
          );
          expect(
            difference(bounded(adjusted!), bounded(expected(logits, adjust)), 1e-4),
          ).toBeNull();
          expect(plain).toEqual(logits);
        });
      }
    });
  });

  test("taking any part away changes the logits", () => {
    withDevice(isa, (device) => {
      const logits = new Random(31).floats(500, 4);
      const whole = randomAdjustment(new Random(32), 500, new Set(parts));
      const finite = whole.biases.filter(([, bias]) => bias > -Infinity);
      const forbidden = whole.biases.filter(([, bias]) => bias === -Infinity);
      const { frequency: _f, ...noFrequency } = whole;
      const { presence: _p, ...noPresence } = whole;
      const { repetition: _r, ...noRepetition } = whole;
      const less = [noFrequency, noPresence, noRepetition];
      const fewer = [
        { ...whole, counts: whole.counts.slice(1) },
        { ...whole, counts: whole.counts.map(([id, n]) => [id, n + 1] as const) },
        { ...whole, biases: finite },
        { ...whole, biases: forbidden },
      ];
      const rows = [whole, whole, ...less, ...fewer].map((adjust) => ({ token: 0, adjust }));
      const got = sample(device, logits, rows).logits;
      const [first, second, ...others] = rows.map((_, row) =>
        got.subarray(row * 500, (row + 1) * 500).join(),
      );
      expect(second).toBe(first!);
      expect(new Set([first, ...others]).size).toBe(others.length + 1);
    });
  });

  test("draws, greedy tokens, logprobs and alternatives are of the adjusted logits", () => {
    withDevice(isa, (device) => {
      const vocabulary = 300;
      const random = new Random(33);
      const logits = random.floats(vocabulary, 3);
      const filters = { temperature: 0.8, topP: 0.9, topK: 40, minP: 0.001 };
      const rows = combinations.flatMap((wanted, i) => {
        const adjust = randomAdjustment(random, vocabulary, wanted);
        const draw = { ...filters, seed: 100 + i, position: i };
        return [
          { token: 0, adjust, draw, topCount: 3 },
          { token: 0, adjust, logprobs: true },
          { token: 0, adjust, target: 17 },
        ];
      });
      const { results } = sample(device, logits, rows);
      rows.forEach(({ adjust, draw, target }, row) => {
        const want = expected(logits, adjust);
        const temperature = draw?.temperature ?? 1;
        const logprob = reference
          .filtered(want, { temperature, topP: Infinity, topK: Infinity, minP: 0 })
          .map(Math.log);
        const order = [...want.keys()].sort((a, b) => want[b]! - want[a]! || a - b);
        const token = draw
          ? reference.draw(
              reference.filtered(want, filters),
              reference.uniform(draw.seed, draw.position),
            )
          : (target ?? order[0]!);
        expect(results.token(row)).toBe(token);
        if (logprob[token] === -Infinity) expect(results.logprob(row)).toBe(-Infinity);
        else expect(results.logprob(row)).toBeCloseTo(logprob[token]!, 4);
        if (draw) expect([0, 1, 2].map((i) => results.topToken(row, i))).toEqual(order.slice(0, 3));
      });
    });
  });

  test("biases that forbid every token leave the row without one", () => {
    withDevice(isa, (device) => {
      const biases = [0, 1, 2].map((id) => [id, -Infinity] as const);
      const rows = [{ token: 0, adjust: { biases } }, { token: 0 }];
      const { results } = sample(device, Float32Array.of(1, 3, 2), rows);
      expect([results.token(0), results.token(1)]).toEqual([-1, 1]);
    });
  });
});

const vocabulary = 9;

/** Logits of a token favour the token itself; id 8 has no finite ones. */
function favouring(device: Device) {
  const table = new Float32Array(vocabulary * vocabulary);
  for (let id = 0; id < vocabulary; id++) table[id * vocabulary + id] = id === 8 ? NaN : 5;
  const shape = { dtype: "f32", rows: vocabulary, cols: vocabulary } as const;
  const b = device.program({ tokens: 4, requests: 4, rows: 4, pages: 4, tableEntries: 4 });
  const logits = b.rows(b.embed(device.constant(table, shape)));
  b.keep(logits);
  b.sample(logits);
  return { program: b.compile(), logits };
}

const stepOf = (ids: readonly number[], adjustments: readonly (Adjustment | null)[]): StepSpec => ({
  requests: ids.map((id, i) => ({ start: 0, ids: [id], pages: [i] })),
  rows: adjustments.map((adjust, token) => ({ token, ...(adjust && { adjust }) })),
});

describeEachIsa("a token of the preceding step", (isa) => {
  test("counts as if the host had known it, new or known, and not at all where there is none", () => {
    withDevice(isa, (device) => {
      const { program, logits } = favouring(device);
      const [writer, results] = [new StepWriter(program.limits), new StepResults(program.limits)];
      const drawn = [3, 5, 8, 0];
      const logitsAfter = (adjustments: readonly Adjustment[]) => {
        const steps = [stepOf(drawn, [null, null, null, null]), stepOf([1, 2, 3, 4], adjustments)];
        const tickets = steps.map((step) => program.run(writeStep(writer, step)));
        for (const ticket of tickets) program.wait(ticket, results);
        const out = new Float32Array(4 * vocabulary);
        program.read(logits, out);
        return out;
      };
      const outcomes = histories.map((counts) => {
        const host = { frequency: 0.5, presence: 0.25, repetition: 1.5, counts };
        return {
          pending: logitsAfter([0, 1, 2, 3].map((row) => ({ ...host, pending: row }))),
          known: logitsAfter(drawn.map((token) => ({ ...host, counts: withToken(counts, token) }))),
          without: logitsAfter(drawn.map(() => host)),
        };
      });
      program.free();
      for (const { pending, known, without } of outcomes) {
        expect(pending).toEqual(known);
        expect(pending).not.toEqual(without);
      }
    });
  });
});

/** What four requests may have generated before. */
const histories: readonly Pairs[] = [
  [],
  [
    [1, 1],
    [3, 2],
    [7, 1],
  ],
  [
    [0, 1],
    [5, 1],
  ],
  [
    [3, 1],
    [4, 9],
  ],
];

/** With one more of a token, of which id 8 stands for none. */
function withToken(counts: Pairs, token: number): Pairs {
  if (token === 8) return counts;
  const all = new Map(counts);
  all.set(token, (all.get(token) ?? 0) + 1);
  return [...all].sort(([a], [b]) => a - b);
}

describe("adjustments that are refused", () => {
  const device = new Device("null");
  const program = (() => {
    const shape = { dtype: "f32", rows: vocabulary, cols: vocabulary } as const;
    const b = device.program({ tokens: 4, requests: 4, rows: 4, pages: 4, tableEntries: 4 });
    b.sample(b.rows(b.embed(device.random(1, shape, 1))));
    return b.compile();
  })();
  const writer = new StepWriter(program.limits);
  afterAll(() => {
    program.free();
    device.close();
  });

  const refused: [adjust: Adjustment, sentence: string][] = [
    [{ frequency: NaN }, "row 0: frequency penalty: expected a finite number, got nan"],
    [{ presence: Infinity }, "row 0: presence penalty: expected a finite number, got inf"],
    [{ repetition: 0 }, "row 0: repetition penalty: expected a finite number above 0, got 0"],
    [{ repetition: -1 }, "repetition penalty: expected a finite number above 0, got -1"],
    [{ counts: [[9, 1]] }, "row 0: counted token 0: expected 0..8, got 9"],
    [
      {
        counts: [
          [3, 1],
          [3, 1],
        ],
      },
      "row 0: counted token 1: expected 4..8, got 3",
    ],
    [
      {
        counts: [
          [3, 1],
          [-1, 1],
        ],
      },
      "row 0: counted token 1: expected 4..8, got -1",
    ],
    [{ counts: [[3, 0]] }, "row 0: count of token 3: expected 1..16777216, got 0"],
    [{ counts: [[3, 2 ** 24 + 1]] }, "count of token 3: expected 1..16777216, got 16777217"],
    [{ pending: 0 }, "row 0: counted token 0: expected 0..8, got -1"],
    [{ biases: [[-1, 1]] }, "row 0: biased token 0: expected 0..8, got -1"],
    [
      {
        biases: [
          [5, 1],
          [4, 1],
        ],
      },
      "row 0: biased token 1: expected 6..8, got 4",
    ],
    [{ biases: [[5, NaN]] }, "bias of token 5: expected a finite number or -infinity, got nan"],
    [
      { biases: [[5, Infinity]] },
      "bias of token 5: expected a finite number or -infinity, got inf",
    ],
  ];
  test.each(refused)("%j", (adjust, sentence) => {
    expect(() => program.run(writeStep(writer, stepOf([1], [adjust])))).toThrow(sentence);
  });

  const good = { counts: [[3, 1]] } as const;
  /** Words from the end, and what to write there. */
  const broken: [what: string, change: [fromEnd: number, word: number][], sentence: string][] = [
    ["of a row that does not exist", [[8, 2]], "adjustments: row at word[8]: expected 1..1, got 2"],
    ["of the same row twice", [[8, 0]], "adjustments: row at word[8]: expected 1..1, got 0"],
    ["of more tokens than there are", [[4, 10]], "counted tokens of row[1]: expected 0..9, got 10"],
    ["of a negative number of tokens", [[3, -1]], "biased tokens of row[1]: expected 0..9, got -1"],
    ["longer than the step", [[4, 2]], "adjustments of row 1: expected 10 words, got 8"],
    ["with words left over", [[12, 0]], "adjustments: row at word[6]: expected 1..1, got 3"],
  ];
  test.each(broken)("a record %s", (_, changes, sentence) => {
    writeStep(writer, stepOf([1, 2], [good, good]));
    const count = writer.finish();
    const words = writer.words.slice(0, count);
    for (const [fromEnd, word] of changes) words[count - fromEnd] = word;
    const step = { words, finish: () => count } as unknown as StepWriter;
    expect(() => program.run(step)).toThrow(sentence);
  });

  test("words of adjustments that are not there", () => {
    writeStep(writer, stepOf([1], [good]));
    const count = writer.finish();
    for (const [claimed, sentence] of [
      [-1, "words of adjustments and of asked tokens: expected 0.."],
      [count + 1, "words of adjustments and of asked tokens: expected 0.."],
      [5, /expected \d+ words, got/],
      [count, /expected \d+ words, got/],
    ] as const) {
      const words = writer.words.slice(0, count);
      words[5] = claimed;
      const step = { words, finish: () => count } as unknown as StepWriter;
      expect(() => program.run(step)).toThrow(sentence);
    }
  });
});
