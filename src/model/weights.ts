/** Binds the tensors of a checkpoint, or dummy ones, to a device: by Hugging Face name, with their shapes checked. */
import { closeSync, openSync, readSync } from "node:fs";
import type { Device, Dtype, Tensor, WeightFile } from "../program/index.ts";

/** Where a tensor lies in the files of a checkpoint. */
export interface StoredTensor {
  /** Index into the checkpoint's files. */
  readonly file: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** As safetensors names it; "BF16", "F16" and "F32" can be loaded. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface StoredWeights {
  readonly kind: "safetensors";
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** "dummy": pseudo-random weights, the same on every machine. */
export type WeightSource = StoredWeights | { readonly kind: "dummy" };

/** Tensors that some checkpoints carry and no definition reads. */
const ignorable = /\.rotary_emb\.(inv_freq|cos_cached|sin_cached)$/;
const bytesOf = { f32: 4, bf16: 2 } as const;

export class Weights {
  readonly dtype: Dtype;
  readonly #device: Device;
  readonly #source: WeightSource;
  readonly #files = new Map<number, WeightFile>();
  readonly #used = new Set<string>();
  readonly #memoryBytes: number;
  #bytes = 0;

  /**
   * @param dtype What matrices are computed in; tensors that are stored otherwise are converted.
   * @param memoryBytes Most that tensors may take: mapped ones too, as a device lays them out in memory of its own.
   */
  constructor(device: Device, source: WeightSource, dtype: Dtype, memoryBytes: number) {
    this.dtype = dtype;
    this.#memoryBytes = memoryBytes;
    this.#device = device;
    this.#source = source;
  }

  /** Bytes of all tensors bound so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** [rows, cols]; the weight of a linear is [out, in]. @throws Error that names the tensor. */
  matrix(name: string, rows: number, cols: number): Tensor {
    // So drawn, a product is as large as its input, and a tied model does not just repeat its last token.
    if (this.#source.kind === "dummy") return this.#dummy(name, rows, cols, 1 / Math.sqrt(cols), 0);
    return this.#stored(this.#source, name, [rows, cols]);
  }

  /** [size], additive: dummy ones are 0. */
  bias(name: string, size: number): Tensor {
    if (this.#source.kind === "dummy") return this.#dummy(name, 1, size, 0, 0);
    return this.#stored(this.#source, name, [size]);
  }

  /** [size], multiplicative: dummy ones are 1. */
  scale(name: string, size: number): Tensor {
    if (this.#source.kind === "dummy") return this.#dummy(name, 1, size, 0, 1);
    return this.#stored(this.#source, name, [size]);
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
    this.#count(rows * cols);
    return this.#device.random(hash(name), { dtype: this.dtype, rows, cols }, std, mean);
  }

  #stored({ files, tensors }: StoredWeights, name: string, shape: readonly number[]): Tensor {
    const tensor = this.#find(tensors, name, shape);
    const [cols, rows = 1] = shape.toReversed() as [number, number?];
    const target = { dtype: this.dtype, rows, cols };
    const mapped = tensor.dtype === (this.dtype === "bf16" ? "BF16" : "F32");
    this.#count(rows * cols);
    if (mapped) {
      return this.#device.weight(this.#map(files, tensor.file), tensor.offset, target);
    }
    return this.#device.constant(readFloats(name, tensor, files[tensor.file]!), target);
  }

  #count(values: number): void {
    this.#bytes += bytesOf[this.dtype] * values;
    if (this.#bytes > this.#memoryBytes) {
      const gib = (this.#memoryBytes / 2 ** 30).toFixed(1);
      throw new Error(`The model's weights do not fit in the ${gib} GiB of memory that are free`);
    }
  }

  #find(tensors: StoredWeights["tensors"], name: string, shape: readonly number[]): StoredTensor {
    const tensor = tensors.get(name);
    if (!tensor)
      throw new Error(`The weights lack the tensor ${name} of shape [${shape.join(", ")}]`);
    this.#used.add(name);
    if (tensor.shape.join() !== shape.join()) {
      throw new Error(
        `The tensor ${name} has shape [${tensor.shape.join(", ")}]; ` +
          `the model's config.json calls for [${shape.join(", ")}]`,
      );
    }
    return tensor;
  }

  #map(files: readonly string[], index: number): WeightFile {
    let file = this.#files.get(index);
    if (file === undefined) this.#files.set(index, (file = this.#device.map(files[index]!)));
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
function readFloats(
  name: string,
  { offset, dtype, shape }: StoredTensor,
  path: string,
): Float32Array {
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
    for (let done = 0; done < length;) {
      const read = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (read === 0)
        throw new Error(`${path} ends before byte ${offset + length}: is it complete?`);
      done += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes.buffer;
}
