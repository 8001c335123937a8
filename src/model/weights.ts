/** Binds the tensors of a checkpoint, or dummy ones, to a device: by Hugging Face name, with their shapes checked. */
import { closeSync, openSync, readSync } from "node:fs";
import type { Device, Dtype, Tensor, WeightFile } from "../program/index.ts";

/** A tensor inside a safetensors file. */
export interface StoredTensor {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** As safetensors names it; "BF16", "F16" and "F32" can be loaded. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

export type WeightSource =
  | { readonly kind: "safetensors"; readonly tensors: ReadonlyMap<string, StoredTensor> }
  | {
      /** Pseudo-random weights, the same on every machine. */
      readonly kind: "dummy";
      /** Added to the logits, one for each id: keeps ids that print nothing from being drawn. */
      readonly logitsBias: Float32Array | null;
    };

/** Tensors that some checkpoints carry and no definition reads. */
const ignorable = /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$/;
const bytesOf = { f32: 4, bf16: 2 } as const;
const dummyStd = 0.02;

export class Weights {
  readonly dtype: Dtype;
  readonly #device: Device;
  readonly #source: WeightSource;
  readonly #files = new Map<string, WeightFile>();
  readonly #used = new Set<string>();
  #bytes = 0;

  /** @param dtype What matrices are computed in; tensors that are stored otherwise are converted. */
  constructor(device: Device, source: WeightSource, dtype: Dtype) {
    this.dtype = dtype;
    this.#device = device;
    this.#source = source;
  }

  /** Bytes of all tensors bound so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** [rows, cols]; the weight of a linear is [out, in]. @throws Error that names the tensor. */
  matrix(name: string, rows: number, cols: number): Tensor {
    if (this.#source.kind === "dummy") return this.#dummy(name, rows, cols, dummyStd, 0);
    return this.#stored(name, [rows, cols]);
  }

  /** [size], additive: dummy ones are 0. */
  bias(name: string, size: number): Tensor {
    if (this.#source.kind === "dummy") return this.#dummy(name, 1, size, 0, 0);
    return this.#stored(name, [size]);
  }

  /** [size], multiplicative: dummy ones are 1. */
  scale(name: string, size: number): Tensor {
    if (this.#source.kind === "dummy") return this.#dummy(name, 1, size, 0, 1);
    return this.#stored(name, [size]);
  }

  /** The bias that a dummy model adds to its logits, if any. */
  logitsBias(vocabSize: number): Tensor | null {
    if (this.#source.kind !== "dummy" || this.#source.logitsBias === null) return null;
    return this.constant(this.#source.logitsBias, 1, vocabSize);
  }

  /** Values that no checkpoint stores, as fp32. */
  constant(values: Float32Array, rows: number, cols: number): Tensor {
    return this.#device.constant(values, { dtype: "f32", rows, cols });
  }

  /** @throws Error if the checkpoint holds tensors that were not asked for: then it is another model. */
  checkAllUsed(except: readonly string[]): void {
    if (this.#source.kind === "dummy") return;
    const unexpected = [...this.#source.tensors.keys()].filter(
      (name) => !this.#used.has(name) && !except.includes(name) && !ignorable.test(name),
    );
    if (unexpected.length === 0) return;
    const names = unexpected.slice(0, 3).join(", ") + (unexpected.length > 3 ? ", ..." : "");
    throw new Error(
      `The weights hold ${unexpected.length} tensors that the model's config.json does not call for: ${names}`,
    );
  }

  #dummy(name: string, rows: number, cols: number, std: number, mean: number): Tensor {
    const shape = { dtype: this.dtype, rows, cols };
    this.#bytes += bytesOf[this.dtype] * rows * cols;
    return this.#device.random(hash(name), shape, std, mean);
  }

  #stored(name: string, shape: readonly number[]): Tensor {
    const tensor = this.#find(name, shape);
    const [cols, rows = 1] = shape.toReversed() as [number, number?];
    this.#bytes += bytesOf[this.dtype] * rows * cols;
    if (tensor.dtype === (this.dtype === "bf16" ? "BF16" : "F32")) {
      return this.#device.weight(this.#map(tensor.path), tensor.offset, {
        dtype: this.dtype,
        rows,
        cols,
      });
    }
    return this.#device.constant(readFloats(name, tensor), { dtype: this.dtype, rows, cols });
  }

  #find(name: string, shape: readonly number[]): StoredTensor {
    const tensors = this.#source.kind === "safetensors" ? this.#source.tensors : null;
    const tensor = tensors?.get(name);
    if (!tensor) throw new Error(`The weights lack the tensor ${name} of shape [${shape.join(", ")}]`);
    this.#used.add(name);
    if (tensor.shape.join() !== shape.join()) {
      throw new Error(
        `The tensor ${name} has shape [${tensor.shape.join(", ")}]; ` +
          `the model's config.json calls for [${shape.join(", ")}]`,
      );
    }
    return tensor;
  }

  #map(path: string): WeightFile {
    let file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, (file = this.#device.map(path)));
    return file;
  }
}

/** Seed of a dummy tensor: FNV-1a of its name, so that it does not depend on what else is loaded. */
function hash(name: string): number {
  let hashed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hashed = Math.imul(hashed ^ byte, 0x01000193);
  return hashed >>> 0;
}

/** The values of a stored tensor as fp32. */
function readFloats(name: string, { path, offset, dtype, shape }: StoredTensor): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  if (dtype === "F32") return new Float32Array(readBytes(path, offset, 4 * count));
  if (dtype === "F16") {
    return new Float32Array(new Float16Array(readBytes(path, offset, 2 * count)));
  }
  if (dtype !== "BF16") {
    throw new Error(`The tensor ${name} is stored as ${dtype}; expected BF16, F16 or F32`);
  }
  const floatBits = new Uint32Array(new Uint16Array(readBytes(path, offset, 2 * count)));
  for (let i = 0; i < count; i++) floatBits[i]! <<= 16;
  return new Float32Array(floatBits.buffer);
}

function readBytes(path: string, offset: number, length: number): ArrayBuffer {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < length; ) {
      const read = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (read === 0) throw new Error(`${path} ends before byte ${offset + length}: is it complete?`);
      done += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes.buffer;
}
