/** From what the user names (a folder, a hub id, a preset) to configuration, tokenizer and weights on disk. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TokenizerSource } from "../tokenizer/tokenizer.ts";
import { cachedSnapshot, cacheFolder, isHubId } from "./cache.ts";
import { readJsonObject, type Json } from "./json.ts";
import { presetConfig } from "./presets.ts";
import { findWeights, type SafetensorsWeights } from "./weights.ts";

export interface ResolvedModel {
  /** As the user gave it. */
  readonly name: string;
  /** config.json. */
  readonly config: Json;
  /** generation_config.json; null where there is none. */
  readonly generationConfig: Json | null;
  readonly tokenizer: TokenizerSource;
  readonly weights: { readonly kind: "dummy" } | SafetensorsWeights;
}

export interface ResolveOptions {
  /** Where to take the tokenizer from instead: a folder, hub id or preset. */
  readonly tokenizerPath?: string;
  /** "dummy" needs no weights on disk. Default "auto": dummy for presets, else safetensors. */
  readonly loadFormat?: "auto" | "safetensors" | "dummy";
}

const presetPrefix = "preset:";

/** Reads headers only, no weights. Throws an Error that says what is wrong, expected and to be done. */
export function resolveModel(modelPath: string, options: ResolveOptions = {}): ResolvedModel {
  const { tokenizerPath, loadFormat = "auto" } = options;
  const tokenizer = resolveTokenizer(tokenizerPath ?? modelPath);
  if (modelPath.startsWith(presetPrefix)) {
    const config = presetConfig(modelPath.slice(presetPrefix.length));
    if (loadFormat === "safetensors") {
      throw new Error(
        `${modelPath} has no weights on disk. Give a model folder, or --load-format dummy.`,
      );
    }
    return {
      name: modelPath,
      config,
      generationConfig: null,
      tokenizer,
      weights: { kind: "dummy" },
    };
  }
  const folder = findFolder(modelPath);
  const configPath = join(folder, "config.json");
  if (!existsSync(configPath)) {
    throw new Error(`${folder} has no config.json. Expected the folder of a Hugging Face model.`);
  }
  const generationPath = join(folder, "generation_config.json");
  return {
    name: modelPath,
    config: readJsonObject(configPath),
    generationConfig: existsSync(generationPath) ? readJsonObject(generationPath) : null,
    tokenizer,
    weights: loadFormat === "dummy" ? { kind: "dummy" } : findWeights(folder),
  };
}

/** The tokenizer of a folder, hub id or preset, which need not hold a model. */
export function resolveTokenizer(path: string): TokenizerSource {
  if (!path.startsWith(presetPrefix)) return { folder: findFolder(path) };
  presetConfig(path.slice(presetPrefix.length));
  return { asset: "llama3_1.tokenizer" };
}

function findFolder(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) return path;
  if (found)
    throw new Error(
      `${path} is a file. Expected the folder of a Hugging Face model, or preset:tiny.`,
    );
  if (!isHubId(path))
    throw new Error(`${path} does not exist. Expected a model folder, or preset:tiny.`);
  const snapshot = cachedSnapshot(path);
  if (snapshot) return snapshot;
  throw new Error(
    `${path} is neither a folder nor in the Hugging Face cache (${cacheFolder()}). ` +
      "Downloads come later: pass a local folder or preset:tiny.",
  );
}

/**
 * Ids that end a generation: the tokenizer's own (`Tokenizer.eosIds`) and those of config.json and
 * generation_config.json, ascending.
 */
export function eosIds(
  { config, generationConfig }: Pick<ResolvedModel, "config" | "generationConfig">,
  tokenizerEosIds: readonly number[],
): number[] {
  const named = [config["eos_token_id"], generationConfig?.["eos_token_id"]].flat();
  const ids = [...tokenizerEosIds, ...named.filter((id) => Number.isSafeInteger(id))] as number[];
  return [...new Set(ids)].sort((a, b) => a - b);
}
