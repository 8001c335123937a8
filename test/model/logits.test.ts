/** Log-probabilities against Hugging Face transformers: whole vocabulary, all positions (see scripts/fixtures-model.py). */
import { describe, expect, test } from "bun:test";
import type { ModelSource } from "../../src/model/index.ts";
import type { ProgramBuilder, Tensor, Value } from "../../src/program/index.ts";
import { difference, logProbs, type RunOptions } from "../support/logits.ts";
import { RandomCheckpoint, readGolden, type Golden } from "../support/random-model.ts";

const names = [
  "mha-tied",
  "gqa3-head-dim",
  "gqa4-llama3",
  "gqa8-linear",
  "biases",
  "head-dim-64",
  "head-dim-128",
  "mistral",
  "qwen2",
  "qwen3",
];
const float32Bound = 1e-3;
const bfloat16Share = 1.5;

function expectedOf(golden: Golden): Float32Array[] {
  return golden.requests.map(({ logProbs: text }) => {
    const bytes = Uint8Array.fromBase64(text);
    return new Float32Array(bytes.buffer);
  });
}

function run(golden: Golden, source: ModelSource, options: RunOptions = {}): Float32Array[] {
  return logProbs(
    source,
    golden.requests.map((request) => request.ids),
    options,
  );
}

describe.each(names)("%s", (name) => {
  const golden = readGolden(name);
  const expected = expectedOf(golden);

  test("float32 is within 1e-3 of transformers, whole and in chunks, with the same bits", () => {
    using checkpoint = new RandomCheckpoint(golden.tensors, "F32");
    const source = checkpoint.source(golden.config);
    const whole = run(golden, source);
    expect(difference(whole, expected).max).toBeLessThanOrEqual(float32Bound);
    for (const chunk of [1, 7, 16]) {
      expect(difference(run(golden, source, { chunk }), whole).max).toBe(0);
    }
  });

  test("bfloat16 errs at most 1.5 times as much as transformers' bfloat16", () => {
    using checkpoint = new RandomCheckpoint(golden.tensors, "BF16");
    const source = checkpoint.source({ ...golden.config, torch_dtype: "bfloat16" });
    const whole = run(golden, source);
    const error = difference(whole, expected);
    expect(error.max).toBeLessThanOrEqual(bfloat16Share * golden.bfloat16Error.max);
    expect(error.mean).toBeLessThanOrEqual(bfloat16Share * golden.bfloat16Error.mean);
    expect(difference(run(golden, source, { chunk: 5 }), whole).max).toBe(0);
  });
});

test("weights stored as bfloat16 or float16 compute in float32 when asked to", () => {
  const golden = readGolden("gqa3-head-dim");
  for (const dtype of ["BF16", "F16"] as const) {
    using checkpoint = new RandomCheckpoint(golden.tensors, dtype);
    const torch_dtype = dtype === "BF16" ? "bfloat16" : "float16";
    const source = checkpoint.source({ ...golden.config, torch_dtype });
    const error = difference(run(golden, source, { dtype: "float32" }), expectedOf(golden));
    expect(error.max).toBeLessThanOrEqual(float32Bound);
  }
});

/** The builder with one of its operations replaced. */
function replace(operation: Partial<ProgramBuilder>) {
  return (builder: ProgramBuilder) =>
    new Proxy(builder, {
      get(target, name) {
        const replaced = operation[name as keyof ProgramBuilder];
        if (replaced) return replaced;
        const own = target[name as keyof ProgramBuilder];
        return own.bind(target);
      },
    });
}

/** Exchanges the kv heads, which is the same as each query head reading the other one. */
const exchangeHeads = (name: string, values: Float32Array) => {
  if (!/[kv]_proj/.test(name)) return values;
  const half = values.length / 2;
  return Float32Array.of(...values.subarray(half), ...values.subarray(0, half));
};

/** Exchanges the second page of the first request for its first, once tokens are in both. */
const mistakeOnePage = (pages: Int32Array, step: number, request: number) =>
  step === 3 && request === 0 ? pages.with(1, pages[0]!) : pages;

describe("a wrong model is noticed", () => {
  const golden = readGolden("gqa4-llama3");
  const expected = expectedOf(golden);

  function errorOf(
    options: RunOptions,
    change?: ConstructorParameters<typeof RandomCheckpoint>[2],
    config: object = golden.config,
  ): number {
    using checkpoint = new RandomCheckpoint(golden.tensors, "F32", change);
    return difference(run(golden, checkpoint.source(config), options), expected).max;
  }

  test("(none of these: the comparison itself holds)", () => {
    expect(errorOf({ chunk: 20, mutate: replace({}) })).toBeLessThanOrEqual(float32Bound);
  });

  test("without RoPE", () => {
    const mutate = replace({ rope: (x: Value) => x });
    expect(errorOf({ mutate })).toBeGreaterThan(float32Bound);
  });

  test("without the scaling of RoPE", () => {
    expect(errorOf({}, undefined, { ...golden.config, rope_scaling: null })).toBeGreaterThan(
      float32Bound,
    );
  });

  test.each([0, 1, 2, 3, 4, 5, 6])("without norm %d", (skipped) => {
    let norm = 0;
    const mutate = (builder: ProgramBuilder) =>
      replace({
        rmsnorm: (x: Value, weight: Tensor, eps: number) =>
          norm++ === skipped ? x : builder.rmsnorm(x, weight, eps),
      })(builder);
    expect(errorOf({ mutate })).toBeGreaterThan(float32Bound);
    expect(norm).toBe(7);
  });

  test("with query heads grouped wrongly", () => {
    expect(errorOf({}, exchangeHeads)).toBeGreaterThan(float32Bound);
  });

  test("with one wrong page-table entry", () => {
    expect(errorOf({ chunk: 20, changePages: mistakeOnePage })).toBeGreaterThan(float32Bound);
  });
});
