/** Attention over the KV cache, with the write of the step's own keys and values before it. */
import type { Dtype } from "../program/index.ts";
import { evaluate, exactValues, worstError, type Kernel, type Load } from "./kernel.ts";
import { attend } from "./reference.ts";

/** Positions of the check: three pages and a part of one. */
const checkedTokens = 53;

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export function attention(
  { heads, kvHeads, headDim }: Heads,
  dtype: Dtype,
  perStep: number,
  { batch, context }: Load,
): Kernel {
  const kvWidth = kvHeads * headDim;
  const scale = 1 / Math.sqrt(headDim);
  const valueBytes = dtype === "bf16" ? 2 : 4;
  return {
    name: "kvWrite, attention",
    shape: `${heads}:${kvHeads} x ${headDim}`,
    perStep,
    bytes: batch * context * 2 * kvWidth * valueBytes + batch * heads * headDim * 8,
    flops: 4 * batch * context * heads * headDim,
    fromMemory: true,
    hasCache: true,
    prepare(device, tokens, times) {
      const input = (seed: number, cols: number) =>
        device.random(seed, { dtype: "f32", rows: tokens, cols }, 1);
      const [q, k, v] = [input(1, heads * headDim), input(2, kvWidth), input(3, kvWidth)];
      return (builder, count) => {
        const loaded = [builder.load(q), builder.load(k), builder.load(v)] as const;
        for (let i = 0; i < Math.min(count, times); i++) {
          const cache = builder.kvCache(kvHeads, headDim, dtype);
          builder.kvWrite(cache, loaded[1], loaded[2]);
          builder.attention(loaded[0], cache, scale);
        }
      };
    },
    check(device) {
      const q = exactValues(checkedTokens * heads * headDim, 1);
      const [k, v] = [2, 3].map((seed) => exactValues(checkedTokens * kvWidth, seed));
      const got = evaluate(device, checkedTokens, [q, k!, v!], (b, ...loaded) => {
        const cache = b.kvCache(kvHeads, headDim, dtype);
        b.kvWrite(cache, loaded[1]!, loaded[2]!);
        return b.attention(loaded[0]!, cache, scale);
      });
      const rowsOf = (values: Float32Array, width: number) =>
        Array.from({ length: checkedTokens }, (_, t) =>
          values.subarray(t * width, (t + 1) * width),
        );
      const [keys, values] = [rowsOf(k!, kvWidth), rowsOf(v!, kvWidth)];
      const want = rowsOf(q, heads * headDim).flatMap((row, t) => [
        ...attend(row, keys.slice(0, t + 1), values.slice(0, t + 1), kvHeads, headDim, scale),
      ]);
      return worstError(got, want, () => 1e-5);
    },
  };
}
