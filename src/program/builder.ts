/**
 * Builds a program: each call appends one operation and returns the handle of its result. The native side checks
 * every handle and shape. T and L are the tokens and the logits rows of a step; values are fp32.
 */
import type { Backend } from "./backend.ts";
import { dtypeWord, type Dtype, type Tensor } from "./device.ts";
import { Program } from "./program.ts";
import type { ProgramLimits } from "./step.ts";

/** Handle of a value [T or L, width]. */
export type Value = number & { readonly handle: "value" };
/** Handle of the KV cache of one layer. */
export type Cache = number & { readonly handle: "cache" };

/** `enum sb_op`. */
const opcode = {
  embed: 1,
  load: 2,
  rmsnorm: 3,
  linear: 4,
  rope: 5,
  kvCache: 6,
  kvWrite: 7,
  attention: 8,
  siluMul: 9,
  add: 10,
  rows: 11,
  sample: 12,
  keep: 13,
} as const;

const float = new Float32Array(1);
const floatWord = new Int32Array(float.buffer);
function floatBits(value: number): number {
  float[0] = value;
  return floatWord[0]!;
}

export class ProgramBuilder {
  readonly #backend: Backend;
  readonly #handle: number;
  readonly #limits: ProgramLimits;

  constructor(backend: Backend, device: number, limits: ProgramLimits) {
    this.#backend = backend;
    this.#limits = limits;
    const { tokens, requests, rows, pages, tableEntries } = limits;
    this.#handle = backend.program(
      device,
      Int32Array.of(tokens, requests, rows, pages, tableEntries),
    );
  }

  /** Rows ids[i] of `table` [V, H] -> [T, H]. */
  embed(table: Tensor): Value {
    return this.#value(opcode.embed, table);
  }

  /** The first T rows of `rows` [n, H] -> [T, H]; n >= the limit of T. For tests of single operations. */
  load(rows: Tensor): Value {
    return this.#value(opcode.load, rows);
  }

  /** Each group of g values of `x` [*, W]: x / sqrt(mean(x^2) + eps) * weight; `weight` [1, g], g divides W. */
  rmsnorm(x: Value, weight: Tensor, eps: number): Value {
    return this.#value(opcode.rmsnorm, x, weight, floatBits(eps));
  }

  /** `x` [*, K] times `weight` [N, K] transposed, plus `bias` [1, N] -> [*, N]. */
  linear(x: Value, weight: Tensor, bias: Tensor | null = null): Value {
    return this.#value(opcode.linear, x, weight, bias ?? -1);
  }

  /**
   * Rotates the pairs (j, j + r/2) of each head of `x` [T, heads * headDim] by position * inverseFrequencies[j];
   * `inverseFrequencies` [1, r/2] fp32, r <= headDim.
   */
  rope(x: Value, inverseFrequencies: Tensor, headDim: number): Value {
    return this.#value(opcode.rope, x, inverseFrequencies, headDim);
  }

  /** The KV cache of one layer: all pages of the pool. */
  kvCache(kvHeads: number, headDim: number, dtype: Dtype): Cache {
    return this.#op(opcode.kvCache, kvHeads, headDim, dtypeWord[dtype]) as Cache;
  }

  /** Stores `k` and `v` [T, kvHeads * headDim] at each token's page and slot. */
  kvWrite(cache: Cache, k: Value, v: Value): void {
    this.#op(opcode.kvWrite, cache, k, v);
  }

  /** Causal softmax(scale q k^T) v over positions 0 .. own; `q` [T, heads * headDim] -> the same shape. */
  attention(q: Value, cache: Cache, scale: number): Value {
    return this.#value(opcode.attention, q, cache, floatBits(scale));
  }

  /** gate * sigmoid(gate) * up. */
  siluMul(gate: Value, up: Value): Value {
    return this.#value(opcode.siluMul, gate, up);
  }

  add(a: Value, b: Value): Value {
    return this.#value(opcode.add, a, b);
  }

  /** The rows of `x` [T, W] whose logits are wanted -> [L, W]. */
  rows(x: Value): Value {
    return this.#value(opcode.rows, x);
  }

  /** One token for each row of `logits` [L, V]. At most once, last. */
  sample(logits: Value): void {
    this.#op(opcode.sample, logits);
  }

  /** Lets `Program.read` read `x` after a step. */
  keep(x: Value): void {
    this.#op(opcode.keep, x);
  }

  /** Plans and allocates all memory. The builder is spent. */
  compile(): Program {
    this.#backend.compile(this.#handle);
    return new Program(this.#backend, this.#handle, this.#limits);
  }

  /** Frees a program that will not be compiled. */
  discard(): void {
    this.#backend.free(this.#handle);
  }

  #op(...words: number[]): number {
    return this.#backend.op(this.#handle, Int32Array.from(words));
  }

  #value(...words: number[]): Value {
    return this.#op(...words) as Value;
  }
}
