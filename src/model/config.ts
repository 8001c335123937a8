/** A Hugging Face config.json, checked and reduced to what the Llama family's definition needs. */

export type ModelDtype = "bfloat16" | "float32";

export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      /** Context length that the unscaled frequencies were trained for. */
      readonly originalContextLength: number;
    };

export interface RopeConfig {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly ffnSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly normEps: number;
  /** The output matrix is the embedding table. */
  readonly tied: boolean;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** RMSNorm of each head of q and k before RoPE (Qwen3). */
  readonly qkNorm: boolean;
  readonly rope: RopeConfig;
  /** Most positions the model was made for: the config's own figure times what RoPE scaling adds. */
  readonly contextLength: number;
  /** What the weights are stored in, as the config says it: "bfloat16", "float16", "float32". */
  readonly storedDtype: "bfloat16" | "float16" | "float32";
}

type Json = Readonly<Record<string, unknown>>;

/** How the members of the family differ beyond the numbers in their configs. */
const architectures = {
  LlamaForCausalLM: (json: Json) => {
    const attentionBias = flag(json, "attention_bias");
    return {
      qkvBias: attentionBias,
      outputBias: attentionBias,
      mlpBias: flag(json, "mlp_bias"),
      qkNorm: false,
    };
  },
  MistralForCausalLM: (json: Json) => {
    refuseSlidingWindow(json);
    return { qkvBias: false, outputBias: false, mlpBias: false, qkNorm: false };
  },
  Qwen2ForCausalLM: (json: Json) => {
    if (flag(json, "use_sliding_window")) refuseSlidingWindow(json);
    return { qkvBias: true, outputBias: false, mlpBias: false, qkNorm: false };
  },
  Qwen3ForCausalLM: (json: Json) => {
    if (flag(json, "use_sliding_window")) refuseSlidingWindow(json);
    const attentionBias = flag(json, "attention_bias");
    return { qkvBias: attentionBias, outputBias: attentionBias, mlpBias: false, qkNorm: true };
  },
};
export type Architecture = keyof typeof architectures;

/**
 * Checks a parsed config.json.
 * @throws Error with a sentence that names the field, its value and what is allowed.
 */
export function parseConfig(value: unknown): ModelConfig {
  const json = object("config.json", value);
  const architecture = parseArchitecture(json["architectures"]);
  const act = json["hidden_act"] ?? "silu";
  if (act !== "silu") refuse("hidden_act", act, '"silu"');
  const hiddenSize = count(json, "hidden_size");
  const heads = count(json, "num_attention_heads");
  const kvHeads = has(json, "num_key_value_heads") ? count(json, "num_key_value_heads") : heads;
  if (heads % kvHeads !== 0) {
    refuse("num_key_value_heads", kvHeads, `a divisor of num_attention_heads (${heads})`);
  }
  const headDim = has(json, "head_dim") ? count(json, "head_dim") : hiddenSize / heads;
  if (!Number.isInteger(headDim)) {
    refuse(
      "hidden_size",
      hiddenSize,
      `a multiple of num_attention_heads (${heads}) without head_dim`,
    );
  }
  if (headDim % 2 !== 0) refuse("head_dim", headDim, "an even number (RoPE rotates pairs)");
  const rope = parseRope(json);
  return {
    architecture,
    layers: count(json, "num_hidden_layers"),
    hiddenSize,
    ffnSize: count(json, "intermediate_size"),
    heads,
    kvHeads,
    headDim,
    vocabSize: count(json, "vocab_size"),
    normEps: has(json, "rms_norm_eps") ? positive(json, "rms_norm_eps") : 1e-6,
    tied: flag(json, "tie_word_embeddings"),
    ...architectures[architecture](json),
    rope,
    contextLength: parseContextLength(json, rope.scaling),
    storedDtype: parseDtype(json),
  };
}

function parseArchitecture(value: unknown): Architecture {
  const names = Array.isArray(value) ? (value as unknown[]) : [];
  const known = Object.keys(architectures) as Architecture[];
  const found = known.find((name) => names.includes(name));
  return found ?? refuse("architectures", value, `one of ${known.join(", ")}`);
}

function refuseSlidingWindow(json: Json): void {
  if (has(json, "sliding_window")) {
    refuse("sliding_window", json["sliding_window"], "null (windowed attention is not built)");
  }
}

function parseDtype(json: Json): ModelConfig["storedDtype"] {
  const name = json["dtype"] ?? json["torch_dtype"] ?? "bfloat16";
  if (name === "bfloat16" || name === "float16" || name === "float32") return name;
  return refuse("torch_dtype", name, '"bfloat16", "float16" or "float32"');
}

/** New configs hold theta and scaling in rope_parameters, older ones in rope_theta and rope_scaling. */
function parseRope(json: Json): RopeConfig {
  const field = has(json, "rope_parameters") ? "rope_parameters" : "rope_scaling";
  const parameters = has(json, field) ? object(field, json[field]) : {};
  const top = has(parameters, "rope_theta") ? parameters : json;
  const partial = parameters["partial_rotary_factor"] ?? json["partial_rotary_factor"] ?? 1;
  if (partial !== 1)
    refuse("partial_rotary_factor", partial, "1 (partly rotated heads are not built)");
  return {
    theta: has(top, "rope_theta") ? positive(top, "rope_theta") : 10000,
    scaling: parseRopeScaling(json, field, parameters),
  };
}

function parseRopeScaling(json: Json, field: string, parameters: Json): RopeScaling {
  const type = parameters["rope_type"] ?? parameters["type"] ?? "default";
  if (type === "default") return { type };
  if (type === "linear") return { type, factor: positive(parameters, "factor") };
  if (type !== "llama3")
    return refuse(`${field}.rope_type`, type, '"default", "linear" or "llama3"');
  const original = "original_max_position_embeddings";
  const scaling = {
    type,
    factor: positive(parameters, "factor"),
    lowFreqFactor: positive(parameters, "low_freq_factor"),
    highFreqFactor: positive(parameters, "high_freq_factor"),
    originalContextLength: count(has(parameters, original) ? parameters : json, original),
  } as const;
  if (scaling.highFreqFactor < scaling.lowFreqFactor) {
    const allowed = `at least low_freq_factor (${scaling.lowFreqFactor})`;
    refuse(`${field}.high_freq_factor`, scaling.highFreqFactor, allowed);
  }
  return scaling;
}

/** SGLang's rule: the first of these fields, times the factor of scalings that extend the trained context. */
function parseContextLength(json: Json, scaling: RopeScaling): number {
  const fields = [
    "max_sequence_length",
    "seq_length",
    "max_position_embeddings",
    "max_seq_len",
    "model_max_length",
  ];
  const field = fields.find((name) => has(json, name));
  const own = field === undefined ? 2048 : count(json, field);
  const extended = scaling.type === "linear" && !has(json, "original_max_position_embeddings");
  return extended ? Math.trunc(own * scaling.factor) : own;
}

// ---- fields ----

function has(json: Json, field: string): boolean {
  return json[field] !== undefined && json[field] !== null;
}

function object(field: string, value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  return refuse(field, value, "an object");
}

function count(json: Json, field: string): number {
  const value = json[field];
  // Sizes are 32-bit integers in the native interface.
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31) {
    return value as number;
  }
  return refuse(field, value, "a positive integer");
}

function positive(json: Json, field: string): number {
  const value = json[field];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  return refuse(field, value, "a positive number");
}

/** Absent and null mean false, as in transformers. */
function flag(json: Json, field: string): boolean {
  const value = json[field] ?? false;
  return typeof value === "boolean" ? value : refuse(field, value, "true or false");
}

function refuse(field: string, value: unknown, allowed: string): never {
  const got = value === undefined ? "missing" : JSON.stringify(value);
  throw new Error(`The model's config.json: ${field} is ${got}; expected ${allowed}.`);
}
