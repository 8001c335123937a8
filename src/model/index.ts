/** Models: a config and weights become a program over a device. */
import type { Device, Dtype, ProgramBuilder, Value } from "../program/index.ts";
import { parseConfig, type ModelConfig } from "./config.ts";
import { kvValuesPerToken } from "./size.ts";
import { bindLlama, defineLlama, type LlamaTensors } from "./llama.ts";
import { Weights, type WeightSource } from "./weights.ts";

export { parseConfig, type ModelConfig } from "./config.ts";
export { kvValuesPerToken, parameterCount } from "./size.ts";
export type { StoredTensor, StoredWeights, WeightSource } from "./weights.ts";

/** A model as the hub finds it. */
export interface ModelSource {
  /** A parsed config.json. */
  readonly config: unknown;
  readonly weights: WeightSource;
}

/** "auto": bfloat16 for weights stored so, else float32. */
export type DtypeOption = "auto" | "bfloat16" | "float32";

export interface ModelOptions {
  readonly dtype?: DtypeOption;
  /** All that is ever drawn, where it is given: keeps a dummy model from ids that print nothing. */
  readonly drawableIds?: Int32Array | null;
  /** Most that weights may take; default: no limit. */
  readonly memoryBytes?: number;
}

/** A model whose weights are on a device. */
export class Model {
  readonly config: ModelConfig;
  /** Of weights and KV cache; activations are fp32. */
  readonly dtype: Dtype;
  readonly weightBytes: number;
  readonly #tensors: LlamaTensors;

  /** @throws Error with a sentence if the config or the weights cannot be used. */
  constructor(device: Device, source: ModelSource, options: ModelOptions = {}) {
    this.config = parseConfig(source.config);
    this.dtype = computeDtype(this.config.storedDtype, options.dtype ?? "auto");
    const { memoryBytes = Infinity, drawableIds = null } = options;
    const weights = new Weights(device, source.weights, this.dtype, memoryBytes);
    this.#tensors = bindLlama(this.config, weights, drawableIds);
    this.weightBytes = weights.bytes;
  }

  /** Bytes that one token takes in the KV cache of all layers. */
  get kvBytesPerToken(): number {
    return kvValuesPerToken(this.config) * (this.dtype === "bf16" ? 2 : 4);
  }

  /** Appends the model to a program; returns the logits [L, vocabSize]. */
  define(builder: ProgramBuilder): Value {
    return defineLlama(builder, this.config, this.#tensors, this.dtype);
  }
}

function computeDtype(stored: ModelConfig["storedDtype"], option: DtypeOption): Dtype {
  if (option === "auto") return stored === "bfloat16" ? "bf16" : "f32";
  return option === "bfloat16" ? "bf16" : "f32";
}
