/** Proves that our generators draw what Python's random and numpy draw, bit for bit. */
import { describe, expect, test } from "bun:test";
import { NumpyRandom } from "../../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import golden from "../../fixtures/bench/python.json" with { type: "json" };

describe("Python's random", () => {
  test.each(golden.shuffles)("shuffle of $size with seed $seed", ({ seed, size, items }) => {
    const shuffled = Array.from({ length: size }, (_, i) => i);
    new PythonRandom(seed).shuffle(shuffled);
    expect(shuffled).toEqual(items);
  });

  test("random() with seed 42", () => {
    const python = new PythonRandom(42);
    expect([python.random(), python.random(), python.random()]).toEqual([
      0.6394267984578837, 0.025010755222666936, 0.27502931836911926,
    ]);
  });
});

describe("numpy's legacy generator", () => {
  test.each(golden.lengths)(
    "seed $seed, lengths $input_len/$output_len ratio $ratio, rate $rate",
    ({ seed, input_len, output_len, ratio, inputs, outputs, rate, gaps }) => {
      const numpy = new NumpyRandom(seed);
      const lowIn = Math.max(Math.trunc(input_len * ratio), 1);
      expect([...numpy.integers(lowIn, input_len + 1, 20)]).toEqual(inputs);
      const lowOut = Math.trunc(output_len * ratio);
      expect([...numpy.integers(lowOut, output_len + 1, 20)]).toEqual(outputs);
      expect(gaps.map(() => numpy.exponential(1 / rate))).toEqual(gaps);
    },
  );

  test("200,000 gaps have numpy's bits", () => {
    const { seed, scale, count, xor } = golden.gap_sum;
    const numpy = new NumpyRandom(seed);
    const gaps = new Float64Array(count).map(() => numpy.exponential(scale));
    let bits = 0n;
    for (const word of new BigUint64Array(gaps.buffer)) bits ^= word;
    expect(String(bits)).toBe(xor);
  });

  test("one possible value draws nothing", () => {
    const [a, b] = [new NumpyRandom(5), new NumpyRandom(5)];
    expect([...a.integers(9, 10, 4)]).toEqual([9, 9, 9, 9]);
    expect(a.exponential(1)).toBe(b.exponential(1));
  });

  test("refuses seeds that numpy refuses", () => {
    for (const seed of [-1, 2 ** 32, 0.5]) expect(() => new NumpyRandom(seed)).toThrow("--seed");
  });
});
