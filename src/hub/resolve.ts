/** From what the user names (a folder, a hub id, a preset) to configuration, tokenizer and weights on disk. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TokenizerSource } from "../tokenizer/tokenizer.ts";
import { UserError } from "../user-error.ts";
import { isHubId, openHub, type HubUser } from "./hub.ts";
import { readJsonObject, type Json } from "./json.ts";
import { presetConfig } from "./presets.ts";
import { openSnapshot } from "./snapshot.ts";
import { modelFiles, oneFile, tokenizerFiles, type Choice } from "./wanted.ts";
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
  /** Branch, tag or commit of a hub id. Default "main". */
  readonly revision?: string;
  /** Who is told of downloads and may end them. Default: nobody. */
  readonly user?: HubUser;
}

const presetPrefix = "preset:";

const nobody: HubUser = {
  note: () => {},
  stderr: () => {},
  isTerminal: false,
  columns: 80,
  signal: new AbortController().signal,
};

/**
 * Downloads what the cache lacks of a hub id; of weights on disk reads headers only. Throws an Error that says what
 * is wrong, expected and to be done.
 */
export async function resolveModel(
  modelPath: string,
  options: ResolveOptions = {},
): Promise<ResolvedModel> {
  const { tokenizerPath, loadFormat = "auto" } = options;
  if (modelPath.startsWith(presetPrefix)) return resolvePreset(modelPath, options);
  const parts = { tokenizer: tokenizerPath === undefined, weights: loadFormat !== "dummy" };
  const folder = await findFolder(modelPath, (id) => modelFiles(id, parts), options);
  const tokenizer = await otherTokenizer(options, { folder });
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

async function resolvePreset(modelPath: string, options: ResolveOptions): Promise<ResolvedModel> {
  const config = presetConfig(modelPath.slice(presetPrefix.length));
  if (options.loadFormat === "safetensors") {
    throw new Error(
      `${modelPath} has no weights on disk. Give a model folder, or --load-format dummy.`,
    );
  }
  refuseRevision(modelPath, options);
  return {
    name: modelPath,
    config,
    generationConfig: null,
    tokenizer: await otherTokenizer(options, { asset: "llama3_1.tokenizer" }),
    weights: { kind: "dummy" },
  };
}

/** The tokenizer of `tokenizerPath`, whose repository has revisions of its own; the model's without one. */
async function otherTokenizer(
  { tokenizerPath, user = nobody }: ResolveOptions,
  own: TokenizerSource,
): Promise<TokenizerSource> {
  return tokenizerPath === undefined ? own : resolveTokenizer(tokenizerPath, user);
}

/** The tokenizer of a folder, hub id or preset, which need not hold a model. */
export async function resolveTokenizer(
  path: string,
  user: HubUser = nobody,
): Promise<TokenizerSource> {
  if (!path.startsWith(presetPrefix))
    return { folder: await findFolder(path, tokenizerFiles, { user }) };
  presetConfig(path.slice(presetPrefix.length));
  return { asset: "llama3_1.tokenizer" };
}

/** The path of one file of a data set's repository, downloaded if the cache lacks it. */
export async function resolveDatasetFile(id: string, name: string, user: HubUser): Promise<string> {
  const repository = { type: "dataset", id, revision: "main" } as const;
  return join(await openSnapshot(openHub(user), repository, oneFile(id, name)), name);
}

async function findFolder(
  path: string,
  choice: (id: string) => Choice,
  options: ResolveOptions,
): Promise<string> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found) refuseRevision(path, options);
  if (found?.isDirectory()) return path;
  if (found)
    throw new Error(
      `${path} is a file. Expected the folder of a Hugging Face model, or preset:tiny.`,
    );
  if (!isHubId(path))
    throw new Error(`${path} does not exist. Expected a model folder, org/name or preset:tiny.`);
  const { revision = "main", user = nobody } = options;
  return openSnapshot(openHub(user), { type: "model", id: path, revision }, choice(path));
}

function refuseRevision(path: string, { revision }: ResolveOptions): void {
  if (revision === undefined) return;
  throw new UserError(`--revision: ${path} is not on the Hub and has no revisions; leave it out`);
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
