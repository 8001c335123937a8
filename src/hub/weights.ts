/** Which files of a folder hold a model's weights, and where in them each tensor lies. */
import { existsSync, readdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { isJsonObject, readJsonObject } from "./json.ts";
import { readSafetensorsHeader, type Dtype } from "./safetensors.ts";

export interface TensorLocation {
  /** Index into `files`. */
  readonly file: number;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsWeights {
  readonly kind: "safetensors";
  /** Absolute paths, or relative ones where the model's was. */
  readonly files: readonly string[];
  readonly tensors: ReadonlyMap<string, TensorLocation>;
}

export const indexName = "model.safetensors.index.json";

/** Throws an Error that names the file and what is wrong or missing. */
export function findWeights(folder: string): SafetensorsWeights {
  const indexPath = join(folder, indexName);
  const index = existsSync(indexPath) ? readIndex(indexPath) : null;
  const names = index ? shardsOf(index) : unindexedFiles(folder, readdirSync(folder).sort());
  const missing = names.find((name) => !existsSync(join(folder, name)));
  if (missing) throw new Error(`${join(folder, missing)} is missing; ${indexName} names it`);
  const tensors = new Map<string, TensorLocation>();
  names.forEach((name, file) => {
    for (const entry of readSafetensorsHeader(join(folder, name))) {
      if ((index?.get(entry.name) ?? name) !== name) continue; // the index says that another file holds it
      const other = tensors.get(entry.name);
      if (other)
        throw new Error(`${folder}: both ${names[other.file]} and ${name} hold ${entry.name}`);
      tensors.set(entry.name, {
        file,
        dtype: entry.dtype,
        shape: entry.shape,
        offset: entry.offset,
        bytes: entry.bytes,
      });
    }
  });
  for (const [tensor, name] of index ?? []) {
    if (!tensors.has(tensor))
      throw new Error(`${join(folder, name)} lacks ${tensor}, which ${indexName} says it holds`);
  }
  return { kind: "safetensors", files: names.map((name) => join(folder, name)), tensors };
}

/** File of each tensor. Files of the folder that the index does not name are not the model's. */
export function readIndex(path: string): ReadonlyMap<string, string> {
  const map = readJsonObject(path)["weight_map"];
  if (!isJsonObject(map)) throw new Error(`${path} has no weight_map`);
  for (const [tensor, name] of Object.entries(map)) {
    if (typeof name !== "string" || isAbsolute(name) || name.split(/[/\\]/).includes("..")) {
      throw new Error(`${path}: the file of ${tensor} is not a name inside the folder`);
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

export function shardsOf(index: ReadonlyMap<string, string>): string[] {
  return [...new Set(index.values())].sort();
}

/** Which of `names`, what there is at `place`, are weights when no index says so. */
export function unindexedFiles(place: string, names: readonly string[]): string[] {
  const files = names.filter((name) => name.endsWith(".safetensors"));
  // Some repositories hold the same weights twice; the second is in the layout of the original code.
  if (files.join() === "consolidated.safetensors,model.safetensors") return ["model.safetensors"];
  if (files.length > 0) return files;
  const pickled = names.find((name) => /\.(bin|pt|pth)$/.test(name));
  throw new Error(
    pickled
      ? `${place} has weights in ${pickled} only; only safetensors is read. Save the model again with safe_serialization=True.`
      : `${place} has no *.safetensors. For random weights give --load-format dummy.`,
  );
}
