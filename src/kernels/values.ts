/** Operations on values, row by row. */
import { StepResults, StepWriter, type Dtype } from "../program/index.ts";
import {
  checkRows,
  compile,
  evaluate,
  exactValues,
  vector,
  worstError,
  type Kernel,
  type Load,
} from "./kernel.ts";
import * as reference from "./reference.ts";

const relative = (want: ArrayLike<number>) => (i: number) => Math.abs(want[i]!) * 1e-6 + 1e-12;

interface Rows {
  readonly width: number;
  readonly perStep: number;
}

/** What an operation on rows of so many values has in common: `streams` are read or written, 4 bytes a value. */
function onRows(
  name: string,
  { width, perStep }: Rows,
  { batch }: Load,
  streams: number,
  flopsOfValue: number,
) {
  return {
    name,
    shape: String(width),
    perStep,
    bytes: batch * width * 4 * streams,
    flops: batch * width * flopsOfValue,
    fromMemory: false,
  };
}

/** Groups of g values; a head where q and k are normed, else the whole row. */
export function rmsnorm(name: string, rows: Rows, g: number, eps: number, load: Load): Kernel {
  const { width } = rows;
  return {
    ...onRows(`rmsnorm${name}`, rows, load, 2, 4),
    prepare(device, tokens, times) {
      const x = device.random(1, { dtype: "f32", rows: tokens, cols: width }, 1);
      const weights = Array.from({ length: times }, (_, i) =>
        device.random(2 + i, { dtype: "f32", rows: 1, cols: g }, 0.1, 1),
      );
      return (builder, count) => {
        const loaded = builder.load(x);
        for (let i = 0; i < count; i++) builder.rmsnorm(loaded, weights[i]!, eps);
      };
    },
    check(device) {
      const x = exactValues(checkRows * width, 1);
      const values = exactValues(g, 2);
      const weight = vector(device, values);
      const got = evaluate(device, checkRows, [x], (b, loaded) => b.rmsnorm(loaded!, weight, eps));
      const want = reference.rmsnorm(x, values, eps);
      return worstError(got, want, relative(want));
    },
  };
}

export function rope(
  name: string,
  rows: Rows,
  headDim: number,
  frequencies: Float32Array,
  load: Load,
): Kernel {
  const { width } = rows;
  return {
    ...onRows(`rope ${name}`, rows, load, 2, 3),
    prepare(device, tokens) {
      const x = device.random(1, { dtype: "f32", rows: tokens, cols: width }, 1);
      const angles = vector(device, frequencies);
      return (builder, count) => {
        const loaded = builder.load(x);
        for (let i = 0; i < count; i++) builder.rope(loaded, angles, headDim);
      };
    },
    check(device) {
      const x = exactValues(checkRows * width, 1);
      const angles = vector(device, frequencies);
      const got = evaluate(device, checkRows, [x], (b, loaded) => b.rope(loaded!, angles, headDim));
      const positions = Array.from({ length: checkRows }, (_, i) => i);
      return worstError(got, reference.rope(x, positions, frequencies, headDim), () => 1e-6);
    },
  };
}

/** `add` and `siluMul`: two rows become one. */
export function ofTwo(op: "add" | "siluMul", rows: Rows, load: Load): Kernel {
  const { width } = rows;
  return {
    ...onRows(op, rows, load, 3, op === "add" ? 1 : 5),
    prepare(device, tokens) {
      const input = (seed: number) =>
        device.random(seed, { dtype: "f32", rows: tokens, cols: width }, 1);
      const [a, b] = [input(1), input(2)];
      return (builder, count) => {
        const [left, right] = [builder.load(a), builder.load(b)];
        for (let i = 0; i < count; i++) builder[op](left, right);
      };
    },
    check(device) {
      const [a, b] = [
        exactValues(checkRows * width, 1).map((x) => 8 * x),
        exactValues(checkRows * width, 2),
      ];
      const got = evaluate(device, checkRows, [a, b], (p, left, right) => p[op](left!, right!));
      const want = op === "add" ? a.map((x, i) => x + b[i]!) : reference.siluMul(a, b);
      return worstError(got, want, relative(want));
    },
  };
}

/** Rows of the table of embeddings [vocabulary, width]. */
export function embed(vocabulary: number, rows: Rows, dtype: Dtype, load: Load): Kernel {
  const { width } = rows;
  return {
    ...onRows("embed", rows, load, dtype === "bf16" ? 1.5 : 2, 0),
    shape: `${vocabulary} x ${width}`,
    prepare(device) {
      const table = device.random(1, { dtype, rows: vocabulary, cols: width }, 1);
      return (builder, count) => {
        for (let i = 0; i < count; i++) builder.embed(table);
      };
    },
    check(device) {
      const [few, ids] = [7, [6, 0, 3]];
      const values = exactValues(few * width, 1);
      const table = device.constant(values, { dtype, rows: few, cols: width });
      const got = evaluate(device, checkRows, [], (b) => b.embed(table), ids);
      const want = ids.flatMap((id) => [...values.subarray(id * width, (id + 1) * width)]);
      return worstError(got, want, relative(want));
    },
  };
}

/** One token for each row of logits, at temperature 1; checked is the most likely one. */
export function sample(vocabulary: number, load: Load): Kernel {
  return {
    ...onRows("sample", { width: vocabulary, perStep: 1 }, load, 1, 0),
    once: true,
    prepare(device, tokens) {
      const logits = device.random(1, { dtype: "f32", rows: tokens, cols: vocabulary }, 3);
      return (builder, count) => {
        const rows = builder.rows(builder.load(logits));
        if (count > 0) builder.sample(rows);
      };
    },
    check(device) {
      const logits = exactValues(vocabulary, 1);
      const best = vocabulary >> 1;
      logits[best] = 2;
      const limits = { tokens: 1, requests: 1, rows: 1, pages: 1, tableEntries: 1 };
      const program = compile(device, limits, (b) =>
        b.sample(b.rows(b.load(vector(device, logits)))),
      );
      const [step, results] = [new StepWriter(limits), new StepResults(limits)];
      step.addRequest(0, [0], 1);
      step.addId(0);
      step.addDraw({ temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 }, 1);
      program.wait(program.run(step), results);
      const token = results.token(0);
      program.free();
      return token === best ? 0 : Infinity;
    },
  };
}
