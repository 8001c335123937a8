/** Rotary position embedding: the angle per position of each rotated pair of dimensions. */
import type { RopeConfig } from "./config.ts";

/**
 * Inverse frequencies, one for each of the headDim / 2 pairs. Every step is rounded to fp32 as transformers
 * does it: with a large theta the rounding of the exponent alone shows at late positions.
 */
export function inverseFrequencies({ theta, scaling }: RopeConfig, headDim: number): Float32Array {
  const pairs = Float32Array.from({ length: headDim / 2 }, (_, pair) => {
    const exponent = Math.fround((2 * pair) / headDim);
    return 1 / Math.fround(Math.pow(theta, exponent));
  });
  if (scaling.type === "default") return pairs;
  if (scaling.type === "linear") return pairs.map((frequency) => frequency / scaling.factor);
  return pairs.map((frequency) => {
    const { factor, lowFreqFactor: low, highFreqFactor: high } = scaling;
    const turns = (scaling.originalContextLength * frequency) / (2 * Math.PI);
    if (turns > high) return frequency;
    if (turns < low || high === low) return frequency / factor;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}
