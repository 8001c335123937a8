/** Each operation as a program of its own against float64, on every instruction set, with poisoned memory. */
import { expect, test } from "bun:test";
import type { Device, Dtype } from "../../src/program/index.ts";
import {
  describeEachIsa,
  difference,
  limitsOf,
  matrix,
  plainStep,
  Random,
  roundBf16,
  runValues,
  valueProgram,
  withDevice,
  type Matrix,
} from "./harness.ts";
import * as reference from "./reference.ts";

const dtypes: readonly Dtype[] = ["f32", "bf16"];
const epsilon = 2 ** -23; // of fp32

describeEachIsa("linear", (isa) => {
  // Tails of K around pairs and tiles of units, of N around the panel, of T around the block.
  const shapes = [
    [1, 1, 1],
    [1, 5, 7],
    [2, 3, 15],
    [3, 4, 16],
    [4, 9, 17],
    [5, 17, 31],
    [6, 8, 32],
    [7, 2, 33],
    [13, 33, 64],
    [1, 130, 100],
    [33, 66, 257],
    [9, 31, 1000],
    [15, 15, 30],
    [16, 16, 32],
    [17, 47, 63],
    [32, 49, 2050],
  ] as const;
  for (const dtype of dtypes) {
    for (const biased of [null, ...dtypes]) {
      test(`${dtype} weight, ${biased ?? "no"} bias`, () => {
        const random = new Random(1);
        for (const [t, n, k] of shapes) {
          withDevice(isa, (device) => {
            const x = matrix(device, random, t + 2, k);
            const w = matrix(device, random, n, k, dtype);
            const bias = biased ? matrix(device, random, 1, n, biased) : null;
            const step = plainStep(t);
            const [got] = runValues(
              device,
              { ...limitsOf(step), tokens: t + 2 },
              (b) => b.linear(b.load(x.tensor), w.tensor, bias?.tensor ?? null),
              step,
            );
            const input = x.values.subarray(0, t * k);
            const rounded =
              (isa === "avx512bf16" || isa === "amx") && dtype === "bf16"
                ? input.map(roundBf16)
                : input;
            const { y, magnitude } = reference.linear(
              rounded,
              w.values,
              bias?.values ?? null,
              n,
              k,
            );
            const tolerance = magnitude.map((m) => m * epsilon * (2 + k / 8));
            expect(difference(got!, y, tolerance)).toBeNull();
          });
        }
      });
    }
  }

  test("several of one input are the same as each alone, with other operations between them", () => {
    const random = new Random(3);
    withDevice(isa, (device) => {
      const x = matrix(device, random, 5, 40).tensor;
      const [first, second] = [40, 24].map((n) => matrix(device, random, n, 40, "bf16").tensor);
      const step = plainStep(5);
      const run = (build: Parameters<typeof runValues>[2]) =>
        runValues(device, limitsOf(step), build, step)[0]!;
      const alone = run((b) => b.linear(b.load(x), second!));
      const shared = run((b) => {
        const input = b.load(x);
        b.add(b.linear(input, first!), input);
        return b.linear(input, second!);
      });
      expect(alone.every(Number.isFinite)).toBe(true);
      expect(shared).toEqual(alone);
    });
  });

  test("a row is bit-equal alone and among others, on one thread and on three", () => {
    const random = new Random(2);
    for (const [n, k] of [
      [37, 100],
      [257, 576],
    ] as const) {
      for (const dtype of dtypes) {
        const x = random.floats(40 * k);
        const weight = random.floats(n * k);
        const run = (rows: Float32Array, threads: number) =>
          withDevice(isa, (device) => linearOf(device, rows, weight, k, dtype), threads);
        const all = run(x, 3);
        for (const row of [0, 1, 2, 3, 17, 39]) {
          const alone = run(x.slice(row * k, (row + 1) * k), 1);
          expect(alone).toEqual(all.slice(row * n, (row + 1) * n));
        }
      }
    }
  });
});

/** x times weight transposed; both as fp32 rows of k values. */
function linearOf(
  device: Device,
  x: Float32Array,
  weight: Float32Array,
  k: number,
  dtype: Dtype,
): Float32Array {
  const rows = x.length / k;
  const inputs = device.constant(x, { dtype: "f32", rows, cols: k });
  const weights = device.constant(weight, { dtype, rows: weight.length / k, cols: k });
  const step = plainStep(rows);
  return runValues(device, limitsOf(step), (b) => b.linear(b.load(inputs), weights), step)[0]!;
}

describeEachIsa("rmsnorm", (isa) => {
  for (const dtype of dtypes) {
    test(`${dtype} weight, groups and tails`, () => {
      const random = new Random(3);
      for (const [t, groups, g] of [
        [1, 1, 1],
        [3, 1, 17],
        [2, 5, 33],
        [4, 3, 64],
        [20, 1, 576],
        [1, 1, 4097],
      ] as const) {
        withDevice(isa, (device) => {
          const x = matrix(device, random, t, groups * g, "f32", 3);
          const w = matrix(device, random, 1, g, dtype);
          const step = plainStep(t);
          const [got] = runValues(
            device,
            limitsOf(step),
            (b) => b.rmsnorm(b.load(x.tensor), w.tensor, 1e-5),
            step,
          );
          const want = reference.rmsnorm(x.values, w.values, 1e-5);
          expect(
            difference(
              got!,
              want,
              want.map((y) => Math.abs(y) * 1e-6 + 1e-12),
            ),
          ).toBeNull();
        });
      }
    });
  }
});

describeEachIsa("rope", (isa) => {
  test("whole and partial rotation, positions far out", () => {
    const random = new Random(4);
    for (const [heads, d, half, start, t] of [
      [1, 2, 1, 0, 3],
      [3, 32, 16, 5, 4],
      [2, 10, 5, 1000, 2],
      [5, 64, 7, 131_000, 3],
      [4, 33, 16, 7, 9],
    ] as const) {
      withDevice(isa, (device) => {
        const x = matrix(device, random, t, heads * d);
        const frequencies = Float32Array.from({ length: half }, (_, j) => 10_000 ** (-j / half));
        const shape = { dtype: "f32", rows: 1, cols: half } as const;
        const tensor = device.constant(frequencies, shape);
        const pages = Array.from({ length: Math.ceil((start + t) / 16) }, () => 0);
        const step = { requests: [{ start, ids: t, pages }] };
        const [got] = runValues(
          device,
          limitsOf(step),
          (b) => b.rope(b.load(x.tensor), tensor, d),
          step,
        );
        const positions = Array.from({ length: t }, (_, i) => start + i);
        expect(
          difference(got!, reference.rope(x.values, positions, frequencies, d), 1e-6),
        ).toBeNull();
      });
    }
  });
});

describeEachIsa("elementwise", (isa) => {
  test("silu_mul and add, tails and extremes", () => {
    const random = new Random(5);
    for (const [t, width] of [
      [1, 1],
      [3, 19],
      [2, 768],
      [7, 4099],
    ] as const) {
      withDevice(isa, (device) => {
        const a = matrix(device, random, t, width, "f32", 20);
        const b = matrix(device, random, t, width);
        const step = plainStep(t);
        const run = (op: "siluMul" | "add") =>
          runValues(
            device,
            limitsOf(step),
            (p) => p[op](p.load(a.tensor), p.load(b.tensor)),
            step,
          )[0]!;
        const silu = reference.siluMul(a.values, b.values);
        expect(
          difference(
            run("siluMul"),
            silu,
            silu.map((y) => Math.abs(y) * 1e-6 + 1e-30),
          ),
        ).toBeNull();
        expect(run("add")).toEqual(a.values.map((x, i) => x + b.values[i]!));
      });
    }
    withDevice(isa, (device) => {
      const gate = Float32Array.of(-1000, -100, -88, 0, 88, 100, 1000);
      const shape = { dtype: "f32", rows: 1, cols: 7 } as const;
      const one = device.constant(new Float32Array(7).fill(1), shape);
      const x = device.constant(gate, shape);
      const step = plainStep(1);
      const [got] = runValues(
        device,
        limitsOf(step),
        (b) => b.siluMul(b.load(x), b.load(one)),
        step,
      );
      const want = reference.siluMul(gate, new Float32Array(7).fill(1));
      expect(difference(got!, want, 1e-4)).toBeNull();
    });
  });
});

describeEachIsa("embed and rows", (isa) => {
  for (const dtype of dtypes) {
    test(`${dtype} table`, () => {
      withDevice(isa, (device) => {
        const table = matrix(device, new Random(6), 50, 37, dtype);
        const ids = [49, 0, 7, 7, 13];
        const step = {
          requests: [{ start: 0, ids, pages: [0] }],
          rows: [{ token: 0 }, { token: 3 }, { token: 3 }, { token: 4 }],
        };
        const row = (id: number) => Array.from(table.values.subarray(id * 37, (id + 1) * 37));
        const [embedded] = runValues(device, limitsOf(step), (b) => b.embed(table.tensor), step);
        expect([...embedded!]).toEqual(ids.flatMap(row));
        const [picked] = runValues(
          device,
          limitsOf(step),
          (b) => b.rows(b.embed(table.tensor)),
          step,
        );
        expect([...picked!]).toEqual([49, 7, 7, 13].flatMap(row));
      });
    });

    test(`${dtype} table that is a linear's weight too: programs before, with and after it`, () => {
      withDevice(isa, (device) => {
        const table = matrix(device, new Random(7), 50, 37, dtype);
        const ids = [49, 0, 17, 17, 32];
        const step = { requests: [{ start: 0, ids, pages: [0] }], rows: [] };
        const limits = limitsOf(step);
        const rows = ids.flatMap((id) => [...table.values.subarray(id * 37, (id + 1) * 37)]);
        const before = valueProgram(device, limits, (b) => b.embed(table.tensor));
        const tied = valueProgram(device, limits, (b) => {
          const x = b.embed(table.tensor);
          b.keep(b.linear(x, table.tensor));
          return x;
        });
        for (const program of [before, tied]) {
          expect([...program.run(step)]).toEqual(rows);
          program.free();
        }
        expect(runValues(device, limits, (b) => b.embed(table.tensor), step)[0]).toEqual(
          Float32Array.from(rows),
        );
        const loaded = runValues(device, limits, (b) => b.load(table.tensor), step)[0]!;
        expect(loaded).toEqual(table.values.subarray(0, ids.length * 37));
      });
    });

    test(`${dtype} weights are held once, as panels`, () => {
      withDevice(isa, (device) => {
        const table = matrix(device, new Random(8), 64, 64, dtype).tensor;
        const before = device.describe().memory_bytes;
        const step = plainStep(3);
        const linear = () =>
          runValues(device, limitsOf(step), (b) => b.linear(b.load(table), table), step)[0];
        expect(linear()).toEqual(linear());
        expect(device.describe().memory_bytes).toBe(before);
      });
    });

    test(`${dtype} vectors that are a linear's weight too`, () => {
      withDevice(isa, (device) => {
        const random = new Random(9);
        const x = matrix(device, random, 3, 10).tensor;
        const vector = matrix(device, random, 1, 10, dtype);
        const scalar = matrix(device, random, 1, 1, dtype);
        const step = plainStep(3);
        const product = runValues(
          device,
          limitsOf(step),
          (b) => b.linear(b.load(x), vector.tensor),
          step,
        )[0]!;
        const biased = runValues(
          device,
          limitsOf(step),
          (b) => {
            b.linear(b.linear(b.load(x), vector.tensor), scalar.tensor);
            return b.linear(b.load(x), vector.tensor, scalar.tensor);
          },
          step,
        )[0]!;
        const bias = scalar.values[0]!;
        expect(
          difference(
            biased,
            product.map((y) => y + bias),
            1e-6,
          ),
        ).toBeNull();
        const normed = runValues(
          device,
          limitsOf(step),
          (b) => b.rmsnorm(b.load(x), vector.tensor, 1e-5),
          step,
        )[0]!;
        const copy = device.constant(vector.values, { dtype: "f32", rows: 1, cols: 10 });
        expect(normed).toEqual(
          runValues(device, limitsOf(step), (b) => b.rmsnorm(b.load(x), copy, 1e-5), step)[0]!,
        );
      });
    });
  }
});

/** Rows of a matrix as separate arrays. */
function rowsOf({ values, cols }: Matrix, from: number, to: number): Float32Array[] {
  return Array.from({ length: to - from }, (_, i) =>
    values.subarray((from + i) * cols, (from + i + 1) * cols),
  );
}

describeEachIsa("attention", (isa) => {
  // heads, kv heads, head_dim: odd ones, all group sizes, tails of the vector width.
  const shapes = [
    [1, 1, 16],
    [4, 2, 32],
    [9, 3, 64],
    [5, 5, 20],
    [7, 1, 33],
    [2, 1, 128],
    [6, 2, 80],
  ] as const;
  for (const dtype of dtypes) {
    test(`${dtype} cache: prefill, then chunks and decode of several requests in one step`, () => {
      const random = new Random(7);
      for (const [heads, kv, d] of shapes) {
        withDevice(isa, (device) => attentionCase(device, random, heads, kv, d, dtype));
      }
    });
  }
});

/**
 * Three requests of 37, 16 and 1 tokens: two begin in one step, all continue in a second. Both steps load their
 * queries, keys and values from the same first rows.
 */
function attentionCase(
  device: Parameters<typeof matrix>[0],
  random: Random,
  heads: number,
  kv: number,
  d: number,
  dtype: Dtype,
): void {
  const scale = d ** -0.5;
  const steps = [
    {
      requests: [
        { start: 0, ids: 20, pages: [5, 2, 9] },
        { start: 0, ids: 15, pages: [0] },
      ],
    },
    {
      requests: [
        { start: 20, ids: 17, pages: [5, 2, 9] }, // crosses two page boundaries
        { start: 15, ids: 1, pages: [0] }, // decode, last slot of a page
        { start: 0, ids: 1, pages: [7] }, // a prompt of one token
      ],
    },
  ];
  const tokens = 35;
  const q = matrix(device, random, tokens, heads * d, "f32", 3);
  const k = matrix(device, random, tokens, kv * d, "f32", 3);
  const v = matrix(device, random, tokens, kv * d);
  const build = (b: Parameters<Parameters<typeof runValues>[2]>[0]) => {
    const cache = b.kvCache(kv, d, dtype);
    b.kvWrite(cache, b.load(k.tensor), b.load(v.tensor));
    return b.attention(b.load(q.tensor), cache, scale);
  };
  const got = runValues(device, limitsOf(...steps), build, ...steps);

  const store = (m: Matrix) => (dtype === "bf16" ? { ...m, values: m.values.map(roundBf16) } : m);
  const [keys, values] = [store(k), store(v)];
  const histories: { k: Float32Array[]; v: Float32Array[] }[] = [];
  steps.forEach(({ requests }, s) => {
    const want: number[] = [];
    let token = 0;
    requests.forEach(({ start, ids }, r) => {
      const past = (histories[r] ??= { k: [], v: [] });
      past.k.splice(start, Infinity, ...rowsOf(keys, token, token + ids));
      past.v.splice(start, Infinity, ...rowsOf(values, token, token + ids));
      for (let i = 0; i < ids; i++, token++) {
        const seen = start + i + 1;
        const row = rowsOf(q, token, token + 1)[0]!;
        want.push(
          ...reference.attend(row, past.k.slice(0, seen), past.v.slice(0, seen), kv, d, scale),
        );
      }
    });
    expect(difference(got[s]!, want, 1e-5)).toBeNull();
  });
}

const oneToken = (start: number, pages: readonly number[]) => ({
  requests: [{ start, ids: 1, pages }],
});

describeEachIsa("attention reads what it should", (isa) => {
  test("swapping two pages of a table, or replacing one, changes the result", () => {
    withDevice(isa, (device) => {
      const random = new Random(8);
      const [heads, kv, d, tokens] = [4, 2, 32, 40];
      const q = matrix(device, random, tokens, heads * d);
      const k = matrix(device, random, tokens, kv * d);
      const v = matrix(device, random, tokens, kv * d);
      const steps = [
        { requests: [{ start: 0, ids: tokens, pages: [0, 1, 2] }] },
        // Page 3 gets the rows 16 .. 31.
        {
          requests: [
            { start: 0, ids: 16, pages: [4] },
            { start: 0, ids: 16, pages: [3] },
          ],
        },
        oneToken(20, [0, 1, 2]),
        oneToken(20, [3, 1, 2]),
        oneToken(20, [0, 1, 2]),
        oneToken(20, [1, 0, 2]), // last: it writes its key into page 0
      ];
      const [, , right, replaced, again, swapped] = runValues(
        device,
        limitsOf(...steps),
        (b) => {
          const cache = b.kvCache(kv, d, "f32");
          b.kvWrite(cache, b.load(k.tensor), b.load(v.tensor));
          return b.attention(b.load(q.tensor), cache, 0.2);
        },
        ...steps,
      );
      expect(again).toEqual(right!);
      expect(difference(swapped!, right!, 1e-3)).not.toBeNull();
      expect(difference(replaced!, right!, 1e-3)).not.toBeNull();
    });
  });

  test("chunked prefill is bit-equal to whole prefill", () => {
    withDevice(isa, (device) => {
      const random = new Random(9);
      const [heads, kv, d, tokens] = [6, 2, 40, 61];
      const table = matrix(device, random, tokens, (heads + 2 * kv) * d);
      const wq = matrix(device, random, heads * d, table.cols, "f32", 0.1);
      const wk = matrix(device, random, kv * d, table.cols, "f32", 0.1);
      const wv = matrix(device, random, kv * d, table.cols, "f32", 0.1);
      const ids = Array.from({ length: tokens }, (_, i) => i);
      const chunk = (from: number, to: number) => ({
        requests: [{ start: from, ids: ids.slice(from, to), pages: [3, 1, 0, 2] }],
      });
      const build = (b: Parameters<Parameters<typeof runValues>[2]>[0]) => {
        const x = b.embed(table.tensor);
        const cache = b.kvCache(kv, d, "bf16");
        b.kvWrite(cache, b.linear(x, wk.tensor), b.linear(x, wv.tensor));
        return b.attention(b.linear(x, wq.tensor), cache, 0.3);
      };
      const limits = limitsOf(chunk(0, tokens));
      const [whole] = runValues(device, limits, build, chunk(0, tokens));
      const cuts = [0, 1, 17, 18, 32, 60, 61];
      const parts = cuts.slice(1).map((to, i) => chunk(cuts[i]!, to));
      const chunked = runValues(device, limits, build, ...parts);
      expect(chunked.flatMap((c) => Array.from(c))).toEqual(Array.from(whole!));
    });
  });
});
