/** Programs of several operations, steps that follow each other, tensors, refusals, and the null backend. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Backend } from "../../src/program/backend.ts";
import {
  Device,
  StepResults,
  StepWriter,
  type Dtype,
  type Program,
  type Value,
} from "../../src/program/index.ts";
import {
  describeEachIsa,
  limitsOf,
  matrix,
  plainStep,
  Random,
  roundBf16,
  runValues,
  withDevice,
  writeStep,
  type StepSpec,
} from "./harness.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const limits = { tokens: 64, requests: 8, rows: 8, pages: 16, tableEntries: 32 };

/** A model of two layers with random weights, as src/model would define one. */
function smallModel(device: Device, dtype: Dtype): Program {
  const random = new Random(20);
  const [vocabulary, width, heads, kv, d, ffn] = [101, 48, 6, 2, 8, 80];
  const weight = (rows: number, cols: number) =>
    matrix(device, random, rows, cols, dtype, 0.3).tensor;
  const frequencies = device.constant(Float32Array.of(1, 0.1, 0.01, 0.001), {
    dtype: "f32",
    rows: 1,
    cols: 4,
  });
  const b = device.program(limits);
  const table = weight(vocabulary, width);
  let x: Value = b.embed(table);
  for (let layer = 0; layer < 2; layer++) {
    const normed = b.rmsnorm(x, weight(1, width), 1e-5);
    const cache = b.kvCache(kv, d, "bf16");
    const q = b.rope(b.linear(normed, weight(heads * d, width)), frequencies, d);
    const k = b.rope(b.linear(normed, weight(kv * d, width)), frequencies, d);
    b.kvWrite(cache, k, b.linear(normed, weight(kv * d, width)));
    x = b.add(x, b.linear(b.attention(q, cache, d ** -0.5), weight(width, heads * d)));
    const middle = b.rmsnorm(x, weight(1, width), 1e-5);
    const gated = b.siluMul(
      b.linear(middle, weight(ffn, width)),
      b.linear(middle, weight(ffn, width)),
    );
    x = b.add(x, b.linear(gated, weight(width, ffn)));
  }
  b.sample(b.linear(b.rmsnorm(b.rows(x), weight(1, width), 1e-5), table));
  return b.compile();
}

const draw = { temperature: 0.8, seed: 3 };

/** Generates `count` tokens after `prompt` alone, the host feeding each token back. */
function generate(program: Program, prompt: number[], count: number, pages: number[]): number[] {
  const writer = new StepWriter(limits);
  const results = new StepResults(limits);
  const out: number[] = [];
  let ids = prompt;
  let start = 0;
  while (out.length < count) {
    const rows = [{ token: ids.length - 1, draw: { ...draw, position: start + ids.length } }];
    program.wait(
      program.run(writeStep(writer, { requests: [{ start, ids, pages }], rows })),
      results,
    );
    start += ids.length;
    ids = [results.token(0)];
    out.push(ids[0]!);
  }
  return out;
}

const twoRequests = (first: number, second: number) => [
  { start: 0, ids: [first], pages: [0] },
  { start: 0, ids: [second], pages: [1] },
];

describeEachIsa("a whole model", (isa) => {
  const prompts = [
    [5, 9, 100, 3, 77, 21, 5, 5, 8, 1, 2, 3, 4, 50, 60, 70, 80],
    [42],
    [0, 7, 13, 99, 98],
  ];

  test("gives the same tokens alone, in a batch, and with steps chained on the device", () => {
    withDevice(isa, (device) => {
      const program = smallModel(device, "bf16");
      const alone = prompts.map((prompt) => generate(program, prompt, 12, [4, 9, 2]));

      const pages = [[0, 1], [2], [3, 5]];
      const writer = new StepWriter(limits);
      const results = new StepResults(limits);
      const batched: number[][] = [[], [], []];
      const take = (ticket: number) => {
        program.wait(ticket, results);
        batched.forEach((tokens, row) => tokens.push(results.token(row)));
      };
      const starts = prompts.map(() => 0);
      const next = (ids: (row: number) => number[]): number => {
        let tokens = 0;
        const rows: NonNullable<StepSpec["rows"]>[number][] = [];
        const requests = prompts.map((_, row) => {
          const request = { start: starts[row]!, ids: ids(row), pages: pages[row]! };
          tokens += request.ids.length;
          starts[row]! += request.ids.length;
          rows.push({ token: tokens - 1, draw: { ...draw, position: starts[row]! } });
          return request;
        });
        return program.run(writeStep(writer, { requests, rows }));
      };
      // The host runs one step ahead: -1 - row stands for the token that it does not know yet.
      let out = next((row) => prompts[row]!);
      for (let i = 1; i < 12; i++) {
        const following = next((row) => [-1 - row]);
        take(out);
        out = following;
      }
      take(out);
      program.free();
      expect(batched).toEqual(alone);
      expect(new Set(batched.flat()).size).toBeGreaterThan(5);
    });
  });

  test("a row without a token leaves the rows that follow from it without one, and no others", () => {
    withDevice(isa, (device) => {
      const poisoned = new Float32Array(3 * 4).fill(0.5);
      poisoned[4] = NaN; // id 1
      const table = device.constant(poisoned, { dtype: "f32", rows: 3, cols: 4 });
      const b = device.program(limits);
      b.sample(b.linear(b.rows(b.embed(table)), matrix(device, new Random(21), 9, 4).tensor));
      const program = b.compile();
      const [writer, results] = [new StepWriter(limits), new StepResults(limits)];
      const rows = [{ token: 0 }, { token: 1 }];
      program.wait(program.run(writeStep(writer, { requests: twoRequests(1, 2), rows })), results);
      expect(results.token(0)).toBe(-1);
      expect(results.token(1)).toBeGreaterThanOrEqual(0);
      program.wait(program.run(writeStep(writer, { requests: twoRequests(-1, 2), rows })), results);
      expect(results.token(0)).toBe(-1);
      expect(results.token(1)).toBeGreaterThanOrEqual(0);
      program.free();
    });
  });
});

describe("tensors", () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "servebench-test-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("random values are those of native/include/random.h, across chunks", () => {
    const device = new Device("cpu", { threads: 2 });
    const [rows, cols] = [3, 2 ** 20 / 2 + 5]; // crosses the chunks in which threads generate
    const spec = (dtype: Dtype) => device.random(-7, { dtype, rows, cols }, 0.5, 0.25);
    const step = plainStep(3);
    const [f32, bf16] = (["f32", "bf16"] as const).map((dtype) => {
      const values = new Float32Array(rows * cols);
      const b = device.program(limitsOf(step));
      const x = b.load(spec(dtype));
      b.keep(x);
      const program = b.compile();
      const results = new StepResults(program.limits);
      program.wait(program.run(writeStep(new StepWriter(program.limits), step)), results);
      program.read(x, values);
      program.free();
      return values;
    });
    device.close();
    for (const i of [0, 1, 12345, 2 ** 20 - 1, 2 ** 20, rows * cols - 1]) {
      const want = Math.fround(Math.fround(unit(-7n, i) * Math.fround(0.5 * Math.sqrt(3))) + 0.25);
      expect(f32![i]).toBe(want);
      expect(bf16![i]).toBe(roundBf16(want));
    }
    const mean = f32!.reduce((a, x) => a + x, 0) / f32!.length;
    const variance = f32!.reduce((a, x) => a + (x - mean) ** 2, 0) / f32!.length;
    expect(mean).toBeCloseTo(0.25, 2);
    expect(Math.sqrt(variance)).toBeCloseTo(0.5, 2);
  });

  test("weights are read from a file at any offset; what does not fit is refused", () => {
    const path = join(folder, "weights");
    const values = new Random(22).floats(40);
    const bytes = Buffer.alloc(3 + 160);
    Buffer.from(values.buffer).copy(bytes, 3);
    writeFileSync(path, bytes);
    const device = new Device("cpu", { threads: 1 });
    const file = device.map(path);
    const tensor = device.weight(file, 3, { dtype: "f32", rows: 4, cols: 10 });
    const step = plainStep(4);
    const [got] = runValues(device, limitsOf(step), (b) => b.load(tensor), step);
    expect(got).toEqual(values);
    const shape = { dtype: "f32", rows: 4, cols: 10 } as const;
    expect(() => device.weight(file, 4, shape)).toThrow(/has 163 bytes: expected 4 x 10 values/);
    expect(() => device.weight(file, -1, shape)).toThrow("at offset -1 within it");
    expect(() => device.map(join(folder, "absent"))).toThrow(/cannot open .*absent: No such file/);
    expect(() => device.map(folder)).toThrow("expected a regular file that is not empty");
    device.close();
  });
});

/** sb_random_unit of native/include/random.h. */
function unit(seed: bigint, index: number): number {
  const mask = 2n ** 64n - 1n;
  let z = (seed + 0x9e3779b97f4a7c15n) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
  z ^= z >> 31n;
  let x = ((index + Number(z & 0xffffffffn)) ^ Number(z >> 32n)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  x ^= x >>> 16;
  return ((x >> 8) * 2 + 1) / 2 ** 24;
}

const shape = (rows: number, cols: number) => ({ dtype: "f32", rows, cols }) as const;

describe("refusals say what, expected and got", () => {
  const device = new Device("null");
  const table = device.random(1, shape(10, 8), 1);
  const vector = device.random(1, shape(1, 8), 1);
  afterAll(() => device.close());

  test("options", () => {
    expect(() => new Device("cpu", { threads: 5000 })).toThrow(
      /option threads: expected .* 0\.\.1024, got "5000"/,
    );
    expect(() => new Device("cpu", { isa: "mmx" as "avx2" })).toThrow(
      /option isa: expected auto.*got "mmx"/,
    );
    expect(() => new Device("cpu", { stepUs: 5 })).toThrow('unknown key "step_us"');
    expect(() => new Device("null", { isa: "avx2" })).toThrow('unknown key "isa"');
    const backend = new Backend("cpu");
    expect(() => backend.open("world=2 rank=0")).toThrow("tensor parallelism is not built");
    expect(() => backend.open("threads")).toThrow('expected key=value, got "threads"');
  });

  test("SERVEBENCH_ISA chooses the instruction set where the option does not", () => {
    const script = `import { Device } from "./src/program/index.ts";
      try { console.log(new Device("cpu").describe().isa); } catch (e) { console.log(e.message); }
      process.exit(0);`;
    const outputs = ["scalar", "mmx"].map((isa) => {
      const env = { ...process.env, SERVEBENCH_ISA: isa };
      return spawnSync(process.execPath, ["-e", script], { cwd: root, env, encoding: "utf8" })
        .stdout;
    });
    expect(outputs[0]).toBe("scalar\n");
    expect(outputs[1]).toContain(
      'expected auto, amx, avx512bf16, avx512, avx2 or scalar, got "mmx"',
    );
  });

  test("operations", () => {
    const b = device.program(limits);
    expect(() => b.add(0 as Value, 0 as Value)).toThrow("no value exists yet, got 0");
    const x = b.embed(table);
    const bad = 99 as typeof table;
    expect(() => b.linear(x, bad)).toThrow(
      "linear: argument 2 (weight): expected a tensor handle in 0..1, got 99",
    );
    expect(() => b.linear(x, device.random(1, shape(3, 7), 1))).toThrow(
      "linear: weight cols (width of x): expected 8, got 7",
    );
    expect(() => b.linear(x, table, vector)).toThrow(
      "linear: bias cols (rows of weight): expected 10, got 8",
    );
    expect(() => b.rmsnorm(x, device.random(1, shape(1, 3), 1), 1e-5)).toThrow(
      "rmsnorm: width of x (groups of weight cols): expected a multiple of 3, got 8",
    );
    expect(() => b.rmsnorm(x, vector, NaN)).toThrow("argument 3 (eps): expected a finite number");
    expect(() => b.rope(x, vector, 8)).toThrow(
      "rope: inv_freq cols (at most half of head_dim): expected 1..4, got 8",
    );
    const cache = b.kvCache(3, 4, "f32");
    expect(() => b.attention(x, cache, 1)).toThrow("expected a multiple of 12, got 8");
    expect(() => b.kvWrite(cache, x, x)).toThrow(
      "width of k (kv_heads * head_dim): expected 12, got 8",
    );
    expect(() => b.kvCache(0, 4, "f32")).toThrow("kv_cache: kv_heads: expected 1..16777216, got 0");
    expect(() => b.sample(x)).toThrow("use rows");
    expect(() => b.add(x, b.rows(x))).toThrow("expected the same rows");
    expect(() => b.load(vector)).toThrow(
      /load: rows of the tensor \(limit of T\): expected 64\.\..*, got 1/,
    );
    b.sample(b.rows(x));
    expect(() => b.embed(table)).toThrow("expected nothing but keep after sample");
    b.discard();
  });

  test("limits", () => {
    expect(() => device.program({ ...limits, tokens: 0 })).toThrow(
      "limit of tokens: expected 1..1048576, got 0",
    );
  });

  describe("steps", () => {
    const b = device.program(limits);
    b.sample(b.rows(b.embed(table)));
    const program = b.compile();
    const writer = new StepWriter(limits);
    const run = (step: StepSpec) => program.run(writeStep(writer, step));
    const request = { start: 0, ids: [1], pages: [0] };
    afterAll(() => program.free());

    const refused: [string, StepSpec, string][] = [
      ["no tokens", { requests: [] }, "step: tokens: expected 1..64, got 0"],
      [
        "id beyond the table",
        { requests: [{ ...request, ids: [3, 10] }] },
        "step: ids[1]: expected 0..9, got 10",
      ],
      [
        "token of no step",
        { requests: [{ ...request, ids: [-1] }] },
        "step: ids[0]: expected 0..9, got -1",
      ],
      [
        "page beyond the pool",
        { requests: [{ ...request, pages: [16] }] },
        "step: table[0]: expected 0..15, got 16",
      ],
      [
        "negative start",
        { requests: [{ ...request, start: -1 }] },
        "step: start[0]: expected 0..2147483647, got -1",
      ],
      ["table too short", { requests: [{ ...request, start: 16 }] }, "at least 2 entries, got 1"],
      [
        "position past 2^31",
        { requests: [{ ...request, start: 2 ** 31 - 1, ids: [1, 1] }] },
        "positions up to 2147483648",
      ],
      [
        "empty request",
        { requests: [{ ...request, ids: [] }, request] },
        "step: requests: expected 1..1, got 2",
      ],
      [
        "target beyond",
        { requests: [request], rows: [{ token: 0, target: 8 }] },
        "target of row[0]: expected -1..7, got 8",
      ],
      [
        "temperature",
        { requests: [request], rows: [{ token: 0, draw: { temperature: NaN } }] },
        "temperature",
      ],
      [
        "top_p 0",
        { requests: [request], rows: [{ token: 0, draw: { topP: 0 } }] },
        "top_p: expected a number in (0, 1], got 0",
      ],
      [
        "min_p 2",
        { requests: [request], rows: [{ token: 0, draw: { minP: 2 } }] },
        "min_p: expected a number in [0, 1], got 2",
      ],
      [
        "top_k 0",
        { requests: [request], rows: [{ token: 0, draw: { topK: 0 } }] },
        "top_k of row[0]",
      ],
      [
        "alternatives",
        { requests: [request], rows: [{ token: 0, topCount: 9 }] },
        "top count of row[0]: expected 0..8, got 9",
      ],
    ];
    test.each(refused)("%s", (_, step, sentence) => {
      expect(() => run(step)).toThrow(sentence);
    });

    test("of the writer's limits", () => {
      expect(() => writer.addIds(new Int32Array(100), 0, 100)).toThrow(
        /step: \d+ tokens, limit 64/,
      );
    });

    test("tickets: in order, once, not too many", () => {
      const results = new StepResults(limits);
      const tickets = [1, 2, 3, 4].map(() => run({ requests: [request], rows: [{ token: 0 }] }));
      expect(() => run({ requests: [request] })).toThrow("expected at most 4 steps out");
      expect(() => program.wait(tickets[1]!, results)).toThrow(`expected ticket ${tickets[0]}`);
      for (const ticket of tickets) program.wait(ticket, results);
      expect(() => program.wait(tickets[0]!, results)).toThrow("no step is out");
      expect(() => program.read(0 as Value, new Float32Array(1))).toThrow("value 0 was not kept");
    });
  });
});

describe("null backend", () => {
  test("answers by the request's own ids and positions, not by its batch", () => {
    const device = new Device("null", { stepUs: 100, tokenUs: 1 });
    const b = device.program(limits);
    b.sample(b.rows(b.embed(device.random(1, { dtype: "bf16", rows: 1000, cols: 1000 }, 1))));
    const program = b.compile();
    const prompts = [[1, 2, 3], [9], [500, 500]];
    const alone = prompts.map((prompt) => generate(program, prompt, 5, [0]));
    const [writer, results] = [new StepWriter(limits), new StepResults(limits)];
    let token = -1;
    const step = {
      requests: prompts.map((ids, i) => ({ start: 0, ids, pages: [i] })),
      rows: prompts.map((ids) => ({
        token: (token += ids.length),
        draw: { ...draw, position: ids.length },
      })),
    };
    program.wait(program.run(writeStep(writer, step)), results);
    expect(prompts.map((_, row) => results.token(row))).toEqual(alone.map((tokens) => tokens[0]!));
    expect(new Set(alone.flat()).size).toBeGreaterThan(10);
    program.free();
    device.close();
  });
});
