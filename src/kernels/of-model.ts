/** The kernels that a step of a model runs, with their shapes. */
import type { ModelConfig } from "../model/index.ts";
import { inverseFrequencies } from "../model/rope.ts";
import type { Dtype } from "../program/index.ts";
import { attention } from "./attention.ts";
import type { Kernel, Load } from "./kernel.ts";
import { linear } from "./linear.ts";
import { embed, ofTwo, rmsnorm, rope, sample } from "./values.ts";

const rows = (width: number, perStep: number) => ({ width, perStep });

/** In the order of `defineLlama`; those of one shape as one. */
export function kernelsOf(config: ModelConfig, dtype: Dtype, load: Load): Kernel[] {
  const { layers, hiddenSize, ffnSize, heads, kvHeads, headDim, vocabSize, normEps } = config;
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const frequencies = inverseFrequencies(config.rope, headDim);
  const headNorm = (name: string, width: number) =>
    config.qkNorm ? [rmsnorm(name, rows(width, layers), headDim, normEps, load)] : [];
  return [
    embed(vocabSize, rows(hiddenSize, 1), dtype, load),
    rmsnorm("", rows(hiddenSize, 2 * layers + 1), hiddenSize, normEps, load),
    linear("q", { n: q, k: hiddenSize, dtype, perStep: layers }, load),
    linear("k, v", { n: kv, k: hiddenSize, dtype, perStep: 2 * layers }, load),
    ...headNorm(" q", q),
    ...headNorm(" k", kv),
    rope("q", rows(q, layers), headDim, frequencies, load),
    rope("k", rows(kv, layers), headDim, frequencies, load),
    attention({ heads, kvHeads, headDim }, dtype, layers, load),
    linear("o", { n: hiddenSize, k: q, dtype, perStep: layers }, load),
    ofTwo("add", rows(hiddenSize, 2 * layers), load),
    linear("gate, up", { n: ffnSize, k: hiddenSize, dtype, perStep: 2 * layers }, load),
    ofTwo("siluMul", rows(ffnSize, layers), load),
    linear("down", { n: hiddenSize, k: ffnSize, dtype, perStep: layers }, load),
    linear("head", { n: vocabSize, k: hiddenSize, dtype, perStep: 1 }, load),
    sample(vocabSize, load),
  ];
}
