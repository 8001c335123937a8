import { describe, expect, test } from "bun:test";
import { parseConfig } from "../../src/model/config.ts";

const llama = {
  architectures: ["LlamaForCausalLM"],
  torch_dtype: "bfloat16",
  vocab_size: 128256,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_act: "silu",
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  rope_scaling: {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  },
};
const plain = { ...llama, rope_scaling: null };

test("Llama 3.1 8B", () => {
  expect(parseConfig(llama)).toEqual({
    architecture: "LlamaForCausalLM",
    layers: 32,
    hiddenSize: 4096,
    ffnSize: 14336,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    vocabSize: 128256,
    normEps: 1e-5,
    tied: false,
    qkvBias: false,
    outputBias: false,
    mlpBias: false,
    qkNorm: false,
    rope: {
      theta: 500000,
      scaling: {
        type: "llama3",
        factor: 8,
        lowFreqFactor: 1,
        highFreqFactor: 4,
        originalContextLength: 8192,
      },
    },
    contextLength: 131072,
    storedDtype: "bfloat16",
  });
});

test("rope parameters in the new style mean the same as in the old one", () => {
  const { rope_scaling, rope_theta, ...rest } = llama;
  const newStyle = { ...rest, rope_parameters: { ...rope_scaling, rope_theta } };
  expect(parseConfig(newStyle)).toEqual(parseConfig(llama));
});

test("optional fields have the defaults of transformers", () => {
  const { num_key_value_heads: _, rope_theta: __, rms_norm_eps: ___, ...rest } = plain;
  const config = parseConfig(rest);
  expect(config.kvHeads).toBe(32);
  expect(config.rope).toEqual({ theta: 10000, scaling: { type: "default" } });
  expect(config.normEps).toBe(1e-6);
});

test("head_dim overrides the share of hidden_size, null does not", () => {
  expect(parseConfig({ ...plain, head_dim: 96 }).headDim).toBe(96);
  expect(parseConfig({ ...plain, head_dim: null }).headDim).toBe(128);
});

const length = (changes: object) => parseConfig({ ...plain, ...changes }).contextLength;

describe("context length", () => {
  test("is the first of the known fields", () => {
    expect(length({ max_sequence_length: 7, seq_length: 8 })).toBe(7);
    expect(length({ seq_length: 8 })).toBe(8);
    expect(length({ max_position_embeddings: undefined, model_max_length: 9 })).toBe(9);
    expect(length({ max_position_embeddings: undefined })).toBe(2048);
  });
  test("grows by linear scaling, unless the config says what it grew from", () => {
    const linear = { rope_scaling: { type: "linear", factor: 4 }, max_position_embeddings: 2048 };
    expect(length(linear)).toBe(8192);
    expect(length({ ...linear, original_max_position_embeddings: 512 })).toBe(2048);
  });
});

const traits = (architecture: string, changes = {}) => {
  const { qkvBias, outputBias, mlpBias, qkNorm } = parseConfig({
    ...plain,
    ...changes,
    architectures: [architecture],
  });
  return { qkvBias, outputBias, mlpBias, qkNorm };
};

test("members of the family differ in biases and norms", () => {
  const none = { qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false };
  const biases = { attention_bias: true, mlp_bias: true };
  expect(traits("LlamaForCausalLM", biases)).toEqual({
    ...none,
    qkvBias: true,
    outputBias: true,
    mlpBias: true,
  });
  expect(traits("MistralForCausalLM")).toEqual(none);
  expect(traits("Qwen2ForCausalLM")).toEqual({ ...none, qkvBias: true });
  expect(traits("Qwen3ForCausalLM")).toEqual({ ...none, qkNorm: true });
});

describe("refusals name field, value and what is allowed", () => {
  const cases: [string, unknown, RegExp][] = [
    ["not an object", [], /config\.json is \[\]; expected an object/],
    [
      "architecture",
      { ...plain, architectures: ["GPT2LMHeadModel"] },
      /architectures is \["GPT2LMHeadModel"\].*Llama/,
    ],
    ["no architecture", { ...plain, architectures: undefined }, /architectures is missing/],
    ["activation", { ...plain, hidden_act: "gelu" }, /hidden_act is "gelu"; expected "silu"/],
    [
      "missing size",
      { ...plain, hidden_size: undefined },
      /hidden_size is missing; expected a positive integer/,
    ],
    [
      "fraction",
      { ...plain, num_hidden_layers: 1.5 },
      /num_hidden_layers is 1\.5; expected a positive integer/,
    ],
    ["too large", { ...plain, vocab_size: 2 ** 31 }, /vocab_size is 2147483648/],
    [
      "kv heads",
      { ...plain, num_key_value_heads: 5 },
      /num_key_value_heads is 5; expected a divisor .*32/,
    ],
    ["head size", { ...plain, hidden_size: 4097 }, /hidden_size is 4097; expected a multiple/],
    ["odd head_dim", { ...plain, head_dim: 33 }, /head_dim is 33; expected an even number/],
    [
      "bias",
      { ...plain, attention_bias: "yes" },
      /attention_bias is "yes"; expected true or false/,
    ],
    [
      "scaling",
      { ...plain, rope_scaling: { rope_type: "yarn" } },
      /rope_scaling\.rope_type is "yarn"; .*"llama3"/,
    ],
    [
      "scaling factor",
      { ...plain, rope_scaling: { type: "linear" } },
      /factor is missing; expected a positive number/,
    ],
    [
      "scaling range",
      { ...plain, rope_scaling: { ...llama.rope_scaling, high_freq_factor: 0.5 } },
      /high_freq_factor is 0\.5; expected at least low_freq_factor \(1\)/,
    ],
    [
      "partial rotary",
      { ...plain, partial_rotary_factor: 0.5 },
      /partial_rotary_factor is 0\.5; expected 1/,
    ],
    ["dtype", { ...plain, torch_dtype: "float8" }, /torch_dtype is "float8"/],
    [
      "sliding window",
      { ...plain, architectures: ["MistralForCausalLM"], sliding_window: 4096 },
      /sliding_window is 4096; expected null/,
    ],
  ];
  test.each(cases)("%s", (_name, config, message) => {
    expect(() => parseConfig(config)).toThrow(message);
  });
});
