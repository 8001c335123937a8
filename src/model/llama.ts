/** The Llama family: Llama, Mistral, Qwen 2 and 3, SmolLM. First the tensors, then the computation over them. */
import type { Cache, Dtype, ProgramBuilder, Tensor, Value } from "../program/index.ts";
import type { ModelConfig } from "./config.ts";
import { inverseFrequencies } from "./rope.ts";
import type { Weights } from "./weights.ts";

/** @throws Error that names the tensor if one is missing, has another shape, or is not called for. */
export function bindLlama(config: ModelConfig, weights: Weights, drawableIds: Int32Array | null) {
  const { hiddenSize, ffnSize, heads, kvHeads, headDim, vocabSize } = config;
  const linear = (name: string, out: number, into: number, biased: boolean): Linear => ({
    weight: weights.matrix(`${name}.weight`, out, into),
    bias: biased ? weights.bias(`${name}.bias`, out) : null,
  });
  const norm = (name: string, size: number) => weights.scale(`${name}.weight`, size);
  const layer = (name: string) => ({
    inputNorm: norm(`${name}.input_layernorm`, hiddenSize),
    q: linear(`${name}.self_attn.q_proj`, heads * headDim, hiddenSize, config.qkvBias),
    k: linear(`${name}.self_attn.k_proj`, kvHeads * headDim, hiddenSize, config.qkvBias),
    v: linear(`${name}.self_attn.v_proj`, kvHeads * headDim, hiddenSize, config.qkvBias),
    qNorm: config.qkNorm ? norm(`${name}.self_attn.q_norm`, headDim) : null,
    kNorm: config.qkNorm ? norm(`${name}.self_attn.k_norm`, headDim) : null,
    o: linear(`${name}.self_attn.o_proj`, hiddenSize, heads * headDim, config.outputBias),
    postNorm: norm(`${name}.post_attention_layernorm`, hiddenSize),
    gate: linear(`${name}.mlp.gate_proj`, ffnSize, hiddenSize, config.mlpBias),
    up: linear(`${name}.mlp.up_proj`, ffnSize, hiddenSize, config.mlpBias),
    down: linear(`${name}.mlp.down_proj`, hiddenSize, ffnSize, config.mlpBias),
  });
  const embedding = weights.matrix("model.embed_tokens.weight", vocabSize, hiddenSize);
  const tensors = {
    embedding,
    frequencies: weights.constant(inverseFrequencies(config.rope, headDim), 1, headDim / 2),
    layers: Array.from({ length: config.layers }, (_, i) => layer(`model.layers.${i}`)),
    norm: norm("model.norm", hiddenSize),
    head: {
      weight: config.tied ? embedding : weights.matrix("lm_head.weight", vocabSize, hiddenSize),
      bias: drawableIds && weights.constant(biasTowards(drawableIds, vocabSize), 1, vocabSize),
    },
  };
  weights.checkAllUsed(config.tied ? ["lm_head.weight"] : []);
  return tensors;
}

/** What lets all ids but these fall out of every draw. */
function biasTowards(ids: Int32Array, vocabSize: number): Float32Array {
  const bias = new Float32Array(vocabSize).fill(-1e4);
  for (const id of ids) if (id < vocabSize) bias[id] = 0;
  return bias;
}

export type LlamaTensors = ReturnType<typeof bindLlama>;
type LayerTensors = LlamaTensors["layers"][number];
interface Linear {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

/** Appends the model to a program; returns the logits [L, vocabSize]. */
export function defineLlama(
  p: ProgramBuilder,
  config: ModelConfig,
  tensors: LlamaTensors,
  cacheDtype: Dtype,
): Value {
  const { kvHeads, headDim, normEps } = config;
  const linear = (x: Value, { weight, bias }: Linear) => p.linear(x, weight, bias);
  const norm = (x: Value, weight: Tensor | null) => (weight ? p.rmsnorm(x, weight, normEps) : x);
  const rope = (x: Value) => p.rope(x, tensors.frequencies, headDim);

  const attention = (x: Value, layer: LayerTensors, cache: Cache) => {
    const q = linear(x, layer.q);
    const k = linear(x, layer.k);
    const v = linear(x, layer.v);
    p.kvWrite(cache, rope(norm(k, layer.kNorm)), v);
    return p.attention(rope(norm(q, layer.qNorm)), cache, 1 / Math.sqrt(headDim));
  };
  const mlp = (x: Value, layer: LayerTensors) =>
    linear(p.siluMul(linear(x, layer.gate), linear(x, layer.up)), layer.down);

  let x = p.embed(tensors.embedding);
  for (const layer of tensors.layers) {
    const cache = p.kvCache(kvHeads, headDim, cacheDtype);
    let attended = attention(norm(x, layer.inputNorm), layer, cache);
    if (layer === tensors.layers.at(-1)) {
      // All keys and values are written: from here on, only tokens whose logits are wanted matter.
      x = p.rows(x);
      attended = p.rows(attended);
    }
    x = p.add(x, linear(attended, layer.o));
    x = p.add(x, mlp(norm(x, layer.postNorm), layer));
  }
  return linear(norm(x, tensors.norm), tensors.head);
}
