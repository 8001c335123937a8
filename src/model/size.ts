/** What a model will take of memory, told from its configuration before anything is loaded. */
import type { ModelConfig } from "./config.ts";

/** Values of the weights: matrices, norms and biases. */
export function parameterCount(config: ModelConfig): number {
  const { layers, hiddenSize, ffnSize, heads, kvHeads, headDim, vocabSize } = config;
  const queries = heads * headDim;
  const keysAndValues = 2 * kvHeads * headDim;
  const attention = hiddenSize * (2 * queries + keysAndValues);
  const mlp = 3 * hiddenSize * ffnSize;
  const norms = 2 * hiddenSize + (config.qkNorm ? 2 * headDim : 0);
  const biases =
    (config.qkvBias ? queries + keysAndValues : 0) +
    (config.outputBias ? hiddenSize : 0) +
    (config.mlpBias ? 2 * ffnSize + hiddenSize : 0);
  const embeddings = (config.tied ? 1 : 2) * vocabSize * hiddenSize;
  return embeddings + layers * (attention + mlp + norms + biases) + hiddenSize;
}

/** Values that one token takes in the KV cache of all layers. */
export function kvValuesPerToken({ layers, kvHeads, headDim }: ModelConfig): number {
  return layers * 2 * kvHeads * headDim;
}
