/** Runs small programs on every instruction set that this machine has, with poisoned memory. */
import { describe, test } from "bun:test";
import {
  Device,
  isas as allIsas,
  StepResults,
  StepWriter,
  usableIsas,
  type DrawParams,
  type Dtype,
  type Isa,
  type ProgramBuilder,
  type ProgramLimits,
  type RowAdjustment,
  type Tensor,
  type Value,
} from "../../src/program/index.ts";

export const isas: readonly Isa[] = usableIsas();

/** Runs `body` once for each instruction set; those that the machine lacks show as skipped. */
export function describeEachIsa(name: string, body: (isa: Isa) => void): void {
  for (const isa of allIsas) {
    if (isas.includes(isa)) describe(`${name} (${isa})`, () => body(isa));
    else test.skip(`${name}: this machine has no ${isa}`, () => {});
  }
}

/** Deterministic values: mulberry32, then uniform in [-1, 1). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }

  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  /** An integer in [0, limit). */
  below(limit: number): number {
    return this.bits() % limit;
  }
  floats(count: number, scale = 1): Float32Array {
    return Float32Array.from({ length: count }, () => (this.bits() / 2 ** 31 - 1) * scale);
  }
  shuffled(count: number): number[] {
    const items = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
/** The nearest bf16, ties to even. */
export function roundBf16(value: number): number {
  float[0] = value;
  bits[0] = ((bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000) >>> 0;
  return float[0]!;
}
/** The values that a tensor of `dtype` holds after storing `values`. */
export function stored(values: Float32Array, dtype: Dtype): Float32Array {
  return dtype === "f32" ? values : values.map(roundBf16);
}

/** A matrix of random values, and the tensor that holds it. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly values: Float32Array;
  readonly tensor: Tensor;
}
export function matrix(
  device: Device,
  random: Random,
  rows: number,
  cols: number,
  dtype: Dtype = "f32",
  scale = 1,
): Matrix {
  const values = stored(random.floats(rows * cols, scale), dtype);
  return { rows, cols, values, tensor: device.constant(values, { dtype, rows, cols }) };
}

export interface RequestSpec {
  readonly start: number;
  /** Ids, or their number where they do not matter. */
  readonly ids: number | readonly number[];
  readonly pages: readonly number[];
}
export interface RowSpec {
  readonly token: number;
  readonly draw?: Partial<DrawParams> & { readonly position?: number };
  readonly target?: number;
  readonly topCount?: number;
  readonly logprobs?: boolean;
  readonly adjust?: Adjustment;
  readonly asked?: readonly number[];
}
/** Tokens and numbers in any order that the ABI allows; a penalty that is absent does nothing. */
export interface Adjustment {
  readonly frequency?: number;
  readonly presence?: number;
  readonly repetition?: number;
  readonly counts?: readonly (readonly [token: number, count: number])[];
  readonly biases?: readonly (readonly [token: number, bias: number])[];
  /** Row of the preceding step whose token counts once more. */
  readonly pending?: number;
}
export interface StepSpec {
  readonly requests: readonly RequestSpec[];
  readonly rows?: readonly RowSpec[];
}

export const greedy: DrawParams = { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 };

export const idCount = (ids: RequestSpec["ids"]): number =>
  typeof ids === "number" ? ids : ids.length;

function rowAdjustment(a: Adjustment): RowAdjustment {
  const { counts = [], biases = [] } = a;
  const biasBits = new Int32Array(Float32Array.from(biases, ([, bias]) => bias).buffer);
  return {
    frequencyPenalty: a.frequency ?? 0,
    presencePenalty: a.presence ?? 0,
    repetitionPenalty: a.repetition ?? 1,
    counts: Int32Array.from(counts.flat()),
    countedTokens: counts.length,
    biases: Int32Array.from(biases.flatMap(([token], i) => [token, biasBits[i]!])),
  };
}

/** Writes a step; rows are in order of their tokens. */
export function writeStep(writer: StepWriter, { requests, rows = [] }: StepSpec): StepWriter {
  writer.reset();
  let row = 0;
  for (const request of requests) {
    writer.addRequest(request.start, request.pages, request.pages.length);
    for (let i = 0; i < idCount(request.ids); i++) {
      writer.addId(typeof request.ids === "number" ? 0 : request.ids[i]!);
      for (; rows[row]?.token === writer.tokenCount - 1; row++) {
        const { target, draw, topCount = 0, logprobs, adjust, asked } = rows[row]!;
        if (target !== undefined) writer.addTarget(target, topCount);
        else writer.addDraw({ ...greedy, ...draw }, draw?.position ?? 0, topCount, logprobs);
        if (adjust) writer.adjustRow(rowAdjustment(adjust), adjust.pending);
        if (asked) writer.askRow(asked);
      }
    }
  }
  return writer;
}

/** One request of `tokens` tokens from position 0, on pages 0, 1, ... */
export function plainStep(tokens: number, rows?: readonly RowSpec[]): StepSpec {
  const pages = Array.from({ length: Math.ceil(tokens / 16) }, (_, i) => i);
  return { requests: [{ start: 0, ids: tokens, pages }], rows: rows ?? [] };
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

export function limitsOf(...steps: StepSpec[]): ProgramLimits {
  const most = (count: (s: StepSpec) => number) => Math.max(1, ...steps.map(count));
  return {
    tokens: most((s) => sum(s.requests.map((r) => idCount(r.ids)))),
    requests: most((s) => s.requests.length),
    rows: most((s) => s.rows?.length ?? 0),
    tableEntries: most((s) => sum(s.requests.map((r) => r.pages.length))),
    pages: 1 + Math.max(0, ...steps.flatMap((s) => s.requests.flatMap((r) => r.pages))),
  };
}

/** A program that keeps one value. */
export interface ValueProgram {
  /** Runs a step to its end; returns the kept value. */
  run(step: StepSpec): Float32Array;
  free(): void;
}

export function valueProgram(
  device: Device,
  limits: ProgramLimits,
  build: (b: ProgramBuilder) => Value,
): ValueProgram {
  const builder = device.program(limits);
  try {
    const value = build(builder);
    builder.keep(value);
    const program = builder.compile();
    const writer = new StepWriter(limits);
    const results = new StepResults(limits);
    return {
      run(step) {
        program.wait(program.run(writeStep(writer, step)), results);
        const out = new Float32Array(2 ** 20);
        return out.slice(0, program.read(value, out));
      },
      free: () => program.free(),
    };
  } catch (error) {
    builder.discard();
    throw error;
  }
}

/** Builds a program and runs steps on it, each to its end; returns the kept value after each. */
export function runValues(
  device: Device,
  limits: ProgramLimits,
  build: (b: ProgramBuilder) => Value,
  ...steps: StepSpec[]
): Float32Array[] {
  const program = valueProgram(device, limits, build);
  try {
    return steps.map((step) => program.run(step));
  } finally {
    program.free();
  }
}

/** Opens a poisoned device for `body`. */
export function withDevice<T>(isa: Isa, body: (device: Device) => T, threads = 2): T {
  const device = new Device("cpu", { isa, threads, poison: true });
  try {
    return body(device);
  } finally {
    device.close();
  }
}

/** The first value that is off by more than `tolerance` (per element or for all), in words; null if none is. */
export function difference(
  got: Float32Array,
  want: ArrayLike<number>,
  tolerance: number | ArrayLike<number>,
): string | null {
  if (got.length !== want.length) return `${got.length} values, expected ${want.length}`;
  for (let i = 0; i < got.length; i++) {
    const allowed = typeof tolerance === "number" ? tolerance : tolerance[i]!;
    if (!(Math.abs(got[i]! - want[i]!) <= allowed)) {
      return `[${i}]: got ${got[i]}, expected ${want[i]} within ${allowed}`;
    }
  }
  return null;
}
