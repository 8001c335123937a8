/** The C ABI of native/include/servebench.h as TypeScript: one method a function, errors thrown as sentences. */
import { runtime, type NativeLibrary } from "../runtime/index.ts";

/** Every function of servebench.h. A test compares this table with the header and with both libraries. */
export const backendSymbols = {
  sb_abi_version: { args: [], returns: "i32" },
  sb_error: { args: ["buffer", "i32"], returns: "i32" },
  sb_open: { args: ["buffer"], returns: "i32" },
  sb_close: { args: ["i32"], returns: "i32" },
  sb_describe: { args: ["i32", "buffer", "i32"], returns: "i32" },
  sb_map: { args: ["i32", "buffer"], returns: "i32" },
  sb_weight: { args: ["i32", "i32", "buffer"], returns: "i32" },
  sb_random: { args: ["i32", "buffer", "f64", "f64"], returns: "i32" },
  sb_constant: { args: ["i32", "buffer", "i32", "i32", "i32"], returns: "i32" },
  sb_program: { args: ["i32", "buffer"], returns: "i32" },
  sb_op: { args: ["i32", "buffer", "i32"], returns: "i32" },
  sb_compile: { args: ["i32"], returns: "i32" },
  sb_run: { args: ["i32", "buffer", "i32"], returns: "i32" },
  sb_wait: { args: ["i32", "i32", "buffer", "i32"], returns: "i32" },
  sb_read: { args: ["i32", "i32", "buffer", "i32"], returns: "i32" },
  sb_idle_us: { args: ["i32"], returns: "i32" },
  sb_free: { args: ["i32"], returns: "i32" },
} as const;

/** Constants of servebench.h. */
export const abiVersion = 3;
/** Tokens in a KV page. */
export const pageTokens = 16;
/** Most alternatives reported with a sampled token. */
export const topMax = 20;
/** Most tokens whose logprobs a row may be asked for by name. */
export const askedMax = 128;
export const stepHeaderWords = 8;
export const samplingWords = 10;
export const adjustWords = 6;
export const askedWords = 2;
export const resultWords = 4;

export type BackendName = "cpu" | "null";

/** A call that the native side refused; the message says what, expected and got. */
export class BackendError extends Error {}

/** NUL-terminated UTF-8. */
function cString(text: string): Buffer {
  if (text.includes("\0"))
    throw new BackendError(`${JSON.stringify(text)} contains a NUL character`);
  return Buffer.from(`${text}\0`);
}

/** One opened native library. Handles are plain integers here; the classes beside this file give them types. */
export class Backend {
  readonly name: BackendName;
  /** Of the ABI. */
  readonly version: number;
  readonly #library: NativeLibrary<typeof backendSymbols>;
  readonly #text = Buffer.alloc(4096);

  /** `path`: as `runtime.libraryPath` gave it to the main thread; workers must be handed it. */
  constructor(name: BackendName, path: string = Backend.path(name)) {
    this.name = name;
    this.#library = runtime.open(path, backendSymbols);
    this.version = this.#library.sb_abi_version();
    if (this.version !== abiVersion) {
      throw new BackendError(
        `${path} has ABI version ${this.version}, expected ${abiVersion}: run scripts/build`,
      );
    }
  }

  static path(name: BackendName): string {
    return runtime.libraryPath(`libservebench_${name}.so`);
  }

  open(options: string): number {
    return this.#check(this.#library.sb_open(cString(options)));
  }

  close(device: number): void {
    this.#check(this.#library.sb_close(device));
  }

  describe(device: number): string {
    const length = this.#check(this.#library.sb_describe(device, this.#text, this.#text.length));
    return this.#text.toString("utf8", 0, length);
  }

  map(device: number, path: string): number {
    return this.#check(this.#library.sb_map(device, cString(path)));
  }

  weight(device: number, file: number, where: BigInt64Array): number {
    return this.#check(this.#library.sb_weight(device, file, where));
  }

  random(device: number, spec: BigInt64Array, std: number, mean: number): number {
    return this.#check(this.#library.sb_random(device, spec, std, mean));
  }

  constant(
    device: number,
    values: Float32Array,
    dtype: number,
    rows: number,
    cols: number,
  ): number {
    return this.#check(this.#library.sb_constant(device, values, dtype, rows, cols));
  }

  program(device: number, limits: Int32Array): number {
    return this.#check(this.#library.sb_program(device, limits));
  }

  op(program: number, words: Int32Array): number {
    return this.#check(this.#library.sb_op(program, words, words.length));
  }

  compile(program: number): void {
    this.#check(this.#library.sb_compile(program));
  }

  run(program: number, step: Int32Array, words: number): number {
    return this.#check(this.#library.sb_run(program, step, words));
  }

  wait(program: number, ticket: number, out: Int32Array): number {
    return this.#check(this.#library.sb_wait(program, ticket, out, out.length));
  }

  read(program: number, value: number, out: Float32Array): number {
    return this.#check(this.#library.sb_read(program, value, out, out.length));
  }

  idleUs(program: number): number {
    return this.#check(this.#library.sb_idle_us(program));
  }

  free(program: number): void {
    this.#check(this.#library.sb_free(program));
  }

  #check(result: number): number {
    if (result >= 0) return result;
    const length = this.#library.sb_error(this.#text, this.#text.length);
    throw new BackendError(this.#text.toString("utf8", 0, length));
  }
}
