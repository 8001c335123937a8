/** Products with weights. */
import type { Dtype } from "../program/index.ts";
import { checkRows, evaluate, exactValues, worstError, type Kernel, type Load } from "./kernel.ts";
import { linear as reference } from "./reference.ts";

/** Columns of a product are independent of each other: so many are checked. */
const checkedColumns = 96;
const epsilon = 2 ** -24;

/** x [batch, k] times weight [n, k] transposed. */
export function linear(
  name: string,
  { n, k, dtype, perStep }: { n: number; k: number; dtype: Dtype; perStep: number },
  { batch }: Load,
): Kernel {
  return {
    name: `linear ${name}`,
    shape: `${k} -> ${n}`,
    perStep,
    bytes: n * k * (dtype === "bf16" ? 2 : 4) + batch * (n + k) * 4,
    flops: 2 * batch * n * k,
    fromMemory: true,
    prepare(device, tokens, times) {
      const input = (seed: number) =>
        device.random(seed, { dtype: "f32", rows: tokens, cols: k }, 1);
      const inputs = [input(1), input(2)];
      const weights = Array.from({ length: times }, (_, i) =>
        device.random(3 + i, { dtype, rows: n, cols: k }, 1 / Math.sqrt(k)),
      );
      return (builder, count) => {
        // Two of one input would prepare it once.
        const loaded = inputs.map((tensor) => builder.load(tensor));
        for (let i = 0; i < count; i++) builder.linear(loaded[i % 2]!, weights[i]!);
      };
    },
    check(device) {
      const columns = Math.min(n, checkedColumns);
      const x = exactValues(checkRows * k, 1);
      const values = exactValues(columns * k, 2);
      const weight = device.constant(values, { dtype, rows: columns, cols: k });
      const got = evaluate(device, checkRows, [x], (b, loaded) => b.linear(loaded!, weight));
      const { y, magnitude } = reference(x, values, null, columns, k);
      return worstError(got, y, (i) => magnitude[i]! * epsilon * (2 + k / 8));
    },
  };
}
