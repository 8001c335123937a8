/** Lengths of the random data sets, drawn uniformly from [length * ratio, length]. */
import { UsageError } from "../../user-error.ts";
import type { BenchOptions } from "../options.ts";
import type { NumpyRandom } from "../random/numpy.ts";

export interface Lengths {
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
}

/** Draws all input lengths, then all output lengths. An output length can be 0, as in bench_serving. */
export function drawLengths(options: BenchOptions, numpy: NumpyRandom): Lengths {
  const { randomInputLen, randomOutputLen, randomRangeRatio: ratio, numPrompts } = options;
  if (!(ratio >= 0 && ratio <= 1)) {
    throw new UsageError(`--random-range-ratio: ${ratio} is not between 0 and 1.`);
  }
  if (randomInputLen < 1)
    throw new UsageError(`--random-input-len: ${randomInputLen} is not above 0.`);
  if (randomOutputLen < 0)
    throw new UsageError(`--random-output-len: ${randomOutputLen} is below 0.`);
  const shortestInput = Math.max(Math.trunc(randomInputLen * ratio), 1);
  const shortestOutput = Math.trunc(randomOutputLen * ratio);
  return {
    inputs: numpy.integers(shortestInput, randomInputLen + 1, numPrompts),
    outputs: numpy.integers(shortestOutput, randomOutputLen + 1, numPrompts),
  };
}
