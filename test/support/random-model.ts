/**
 * Models whose weights are drawn instead of stored: the twin of scripts/fixtures-model.py, which says what
 * transformers computes with the same weights.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelSource, StoredTensor } from "../../src/model/index.ts";

export interface Golden {
  readonly config: Readonly<Record<string, unknown>> & { readonly vocab_size: number };
  readonly tensors: Readonly<Record<string, number[]>>;
  /** transformers' own error in bfloat16 against float32, over all positions and the whole vocabulary. */
  readonly bfloat16Error: { readonly max: number; readonly mean: number };
  readonly requests: readonly { readonly ids: number[]; readonly logProbs: string }[];
}

const fixtures = join(import.meta.dir, "../fixtures/model");

export function readGolden(name: string): Golden {
  return JSON.parse(readFileSync(join(fixtures, `${name}.json`), "utf8")) as Golden;
}

/** murmur3's finaliser over FNV-1a(name) + index * 0x9E3779B9. */
export function draw(name: string, count: number): Uint32Array {
  let seed = 0x811c9dc5;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return Uint32Array.from({ length: count }, (_, index) => {
    let x = (Math.imul(index, 0x9e3779b9) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return x ^ (x >>> 16);
  });
}

/** Values that bfloat16 represents exactly: norms in [0.5, 1.5], all else with standard deviation 0.08. */
export function drawWeight(name: string, count: number): Float32Array {
  const value = name.includes("norm")
    ? (bits: number) => ((bits % 129) + 64) / 128
    : (bits: number) => ((bits % 285) - 142) / 1024;
  return Float32Array.from(draw(name, count), value);
}

export type StoredAs = "F32" | "BF16" | "F16";

function encode(values: Float32Array, dtype: StoredAs): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer);
  if (dtype === "F16") return new Uint8Array(new Float16Array(values).buffer);
  const halves = new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1);
  return new Uint8Array(halves.buffer);
}

/** The weights of a golden model in a file of their own, as a checkpoint would hold them. */
export class RandomCheckpoint {
  readonly tensors = new Map<string, StoredTensor>();
  readonly #folder = mkdtempSync(join(tmpdir(), "servebench-test-"));
  readonly #path = join(this.#folder, "weights");

  /** `change` may replace the values of a tensor. */
  constructor(
    shapes: Golden["tensors"],
    dtype: StoredAs,
    change: (name: string, values: Float32Array) => Float32Array = (_, values) => values,
  ) {
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (const [name, shape] of Object.entries(shapes)) {
      const count = shape.reduce((product, size) => product * size, 1);
      const bytes = encode(change(name, drawWeight(name, count)), dtype);
      this.tensors.set(name, { file: 0, offset, dtype, shape });
      parts.push(bytes);
      offset += bytes.length;
    }
    writeFileSync(this.#path, Buffer.concat(parts));
  }

  source(config: unknown): ModelSource {
    return { config, weights: { kind: "safetensors", files: [this.#path], tensors: this.tensors } };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
