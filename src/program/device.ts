/** A device of a native backend and the constant tensors on it. */
import { Backend, type BackendName } from "./backend.ts";
import { ProgramBuilder } from "./builder.ts";
import type { ProgramLimits } from "./step.ts";

/** Handle of a constant tensor [rows, cols]; a vector has one row. */
export type Tensor = number & { readonly handle: "tensor" };
/** Handle of a mapped file. */
export type WeightFile = number & { readonly handle: "file" };

export type Dtype = "f32" | "bf16";
/** The words of `enum sb_dtype`. */
export const dtypeWord = { f32: 0, bf16: 1 } as const satisfies Record<Dtype, number>;

export interface Shape {
  readonly dtype: Dtype;
  readonly rows: number;
  readonly cols: number;
}

/** Instruction sets that there are kernels for, best first. */
export const isas = ["amx", "avx512bf16", "avx512", "avx2", "scalar"] as const;
export type Isa = "auto" | (typeof isas)[number];

export interface DeviceOptions {
  /** cpu: 0 or absent means one per available core. */
  readonly threads?: number;
  /** cpu: absent means SERVEBENCH_ISA or the best of the machine. */
  readonly isa?: Isa;
  /** cpu: fills outputs and scratch with NaN before each operation (tests). */
  readonly poison?: boolean;
  /** null: time of a step is stepUs + tokens * tokenUs. */
  readonly stepUs?: number;
  readonly tokenUs?: number;
}

export interface DeviceDescription {
  readonly backend: BackendName;
  readonly isa: string;
  readonly threads: number;
  /** Bytes that tensors, caches and programs hold now (mapped files not counted). */
  readonly memory_bytes: number;
}

/** The options as servebench.h reads them: `key=value` pairs. */
function optionText(options: DeviceOptions): string {
  const pairs = {
    threads: options.threads,
    isa: options.isa,
    poison: options.poison === undefined ? undefined : Number(options.poison),
    step_us: options.stepUs,
    token_us: options.tokenUs,
  };
  return Object.entries(pairs)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

export class Device {
  readonly backend: Backend;
  readonly #handle: number;

  /** `libraryPath`: needed in workers, see `Backend`. Throws a BackendError with a sentence for the user. */
  constructor(name: BackendName, options: DeviceOptions = {}, libraryPath?: string) {
    this.backend = new Backend(name, libraryPath);
    this.#handle = this.backend.open(optionText(options));
  }

  describe(): DeviceDescription {
    return JSON.parse(this.backend.describe(this.#handle)) as DeviceDescription;
  }

  /** Maps a file of weights read-only for the life of the device. */
  map(path: string): WeightFile {
    return this.backend.map(this.#handle, path) as WeightFile;
  }

  /** A tensor inside a mapped file; `offset` in bytes from the start of the file. */
  weight(file: WeightFile, offset: number, { dtype, rows, cols }: Shape): Tensor {
    const where = BigInt64Array.of(
      BigInt(offset),
      BigInt(dtypeWord[dtype]),
      BigInt(rows),
      BigInt(cols),
    );
    return this.backend.weight(this.#handle, file, where) as Tensor;
  }

  /** Uniform pseudo-random values; a pure function of seed and index (native/include/random.h). */
  random(seed: number, { dtype, rows, cols }: Shape, std: number, mean = 0): Tensor {
    const spec = BigInt64Array.of(
      BigInt(seed),
      BigInt(dtypeWord[dtype]),
      BigInt(rows),
      BigInt(cols),
    );
    return this.backend.random(this.#handle, spec, std, mean) as Tensor;
  }

  /** A copy of rows * cols values. */
  constant(values: Float32Array, { dtype, rows, cols }: Shape): Tensor {
    if (values.length !== rows * cols) {
      throw new RangeError(
        `constant: ${rows} x ${cols} needs ${rows * cols} values, got ${values.length}`,
      );
    }
    return this.backend.constant(this.#handle, values, dtypeWord[dtype], rows, cols) as Tensor;
  }

  /** Begins a program whose steps stay within `limits`. */
  program(limits: ProgramLimits): ProgramBuilder {
    return new ProgramBuilder(this.backend, this.#handle, limits);
  }

  /** Frees all tensors. All programs must have been freed. */
  close(): void {
    this.backend.close(this.#handle);
  }
}

/** Those of this machine. */
export function usableIsas(): (typeof isas)[number][] {
  return isas.filter((isa) => {
    try {
      new Device("cpu", { isa, threads: 1 }).close();
      return true;
    } catch {
      return false;
    }
  });
}
