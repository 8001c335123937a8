/** An operation of programs at the shape that a model gives it: how it is run again and again, and checked. */
import {
  pageTokens,
  StepResults,
  StepWriter,
  type Device,
  type Program,
  type ProgramBuilder,
  type ProgramLimits,
  type Tensor,
  type Value,
} from "../program/index.ts";

/** The step that kernels are measured in: so many requests, one token each, the last of so many positions. */
export interface Load {
  readonly batch: number;
  readonly context: number;
}

/** Appends the operation so many times to a program: each time over weights and caches of its own. */
export type Append = (builder: ProgramBuilder, times: number) => void;

export interface Kernel {
  /** The operation, and what it is to the model. */
  readonly name: string;
  readonly shape: string;
  /** Times that a step of the model runs it. */
  readonly perStep: number;
  /** Read and written by one run: weights, KV cache, values. */
  readonly bytes: number;
  readonly flops: number;
  /** Weights or caches, which come from memory in each step; values rather come from the caches of the processor. */
  readonly fromMemory: boolean;
  /** A program cannot hold it twice. */
  readonly once?: boolean;
  /** It reads a KV cache, which must have been filled. */
  readonly hasCache?: boolean;
  /** Makes the tensors of `times` runs, for programs with room for `tokens` rows. */
  prepare(device: Device, tokens: number, times: number): Append;
  /** The largest error against float64, as a share of what rounding may cost: above 1 the kernel is wrong. */
  check(device: Device): number;
}

/** A program of its own; frees the builder where it cannot be compiled. */
export function compile(
  device: Device,
  limits: ProgramLimits,
  build: (builder: ProgramBuilder) => void,
): Program {
  const builder = device.program(limits);
  try {
    build(builder);
    return builder.compile();
  } catch (error) {
    builder.discard();
    throw error;
  }
}

/** Values that bf16 represents exactly, so that storing them costs nothing: a hash of the index, in [-1, 1). */
export function exactValues(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => {
    let x = Math.imul(index + 1, 0x9e3779b9) ^ Math.imul(seed + 1, 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    return ((x ^ (x >>> 13)) & 0xff) / 128 - 1;
  });
}

export const vector = (device: Device, values: Float32Array): Tensor =>
  device.constant(values, { dtype: "f32", rows: 1, cols: values.length });

/** Rows of the small programs that check. */
export const checkRows = 3;

/**
 * Runs one request of so many tokens from position 0 and gives the value of an operation over them.
 * @param inputs Rows of values [tokens, *], which the operation gets.
 */
export function evaluate(
  device: Device,
  tokens: number,
  inputs: readonly Float32Array[],
  build: (builder: ProgramBuilder, ...loaded: Value[]) => Value,
  ids: readonly number[] = Array.from({ length: tokens }, () => 0),
): Float32Array {
  const pages = Array.from({ length: Math.ceil(tokens / pageTokens) }, (_, i) => i);
  const limits = { tokens, requests: 1, rows: 1, pages: pages.length, tableEntries: pages.length };
  const tensors = inputs.map((values) =>
    device.constant(values, { dtype: "f32", rows: tokens, cols: values.length / tokens }),
  );
  let kept: Value | null = null;
  const program = compile(device, limits, (builder) => {
    kept = build(builder, ...tensors.map((tensor) => builder.load(tensor)));
    builder.keep(kept);
  });
  const step = new StepWriter(limits);
  step.addRequest(0, pages, pages.length);
  step.addIds(ids, 0, tokens);
  program.wait(program.run(step), new StepResults(limits));
  const out = new Float32Array(1 << 20);
  const count = program.read(kept!, out);
  program.free();
  return out.slice(0, count);
}

/** The largest error of all values, each as a share of what it may be off by; Infinity for a NaN. */
export function worstError(
  got: Float32Array,
  want: ArrayLike<number>,
  allowed: (index: number) => number,
): number {
  if (got.length !== want.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < got.length; i++) {
    const error = Math.abs(got[i]! - want[i]!) / allowed(i);
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}
