/** Models that are built in: a published shape with dummy weights and the Llama 3.1 tokenizer. */
import { nearest } from "../nearest.ts";
import { UsageError } from "../user-error.ts";
import type { Json } from "./json.ts";

const family: Json = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  attention_dropout: 0,
  bos_token_id: 128000,
  eos_token_id: [128001, 128008, 128009],
  hidden_act: "silu",
  initializer_range: 0.02,
  max_position_embeddings: 131072,
  mlp_bias: false,
  model_type: "llama",
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  torch_dtype: "bfloat16",
  use_cache: true,
  vocab_size: 128256,
};

function llama3Scaling(factor: number): Json {
  return {
    factor,
    high_freq_factor: 4,
    low_freq_factor: 1,
    original_max_position_embeddings: 8192,
    rope_type: "llama3",
  };
}

/** The config.json of each preset. */
export const presets: Readonly<Record<string, Json>> = {
  "llama-3.1-8b": {
    ...family,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    rope_scaling: llama3Scaling(8),
    tie_word_embeddings: false,
  },
  "llama-3.1-70b": {
    ...family,
    hidden_size: 8192,
    intermediate_size: 28672,
    num_attention_heads: 64,
    num_hidden_layers: 80,
    num_key_value_heads: 8,
    rope_scaling: llama3Scaling(8),
    tie_word_embeddings: false,
  },
  "llama-3.2-1b": {
    ...family,
    head_dim: 64,
    hidden_size: 2048,
    intermediate_size: 8192,
    num_attention_heads: 32,
    num_hidden_layers: 16,
    num_key_value_heads: 8,
    rope_scaling: llama3Scaling(32),
    tie_word_embeddings: true,
  },
  "135m": {
    ...family,
    hidden_size: 576,
    intermediate_size: 1536,
    max_position_embeddings: 8192,
    num_attention_heads: 9,
    num_hidden_layers: 30,
    num_key_value_heads: 3,
    rope_scaling: null,
    rope_theta: 100000,
    tie_word_embeddings: true,
  },
  tiny: {
    ...family,
    head_dim: 32,
    hidden_size: 256,
    intermediate_size: 768,
    max_position_embeddings: 8192,
    num_attention_heads: 8,
    num_hidden_layers: 4,
    num_key_value_heads: 2,
    rope_scaling: null,
    tie_word_embeddings: true,
  },
};

/** Throws a UsageError that lists the presets when there is none of that name. */
export function presetConfig(name: string): Json {
  const config = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (config) return config;
  const names = Object.keys(presets);
  const known = names.map((preset) => `preset:${preset}`).join(", ");
  throw new UsageError(
    `preset:${name} is not known${nearest(name, names)}; the presets are ${known}`,
  );
}
