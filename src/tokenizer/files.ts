/** Reading the files of a tokenizer: tokenizer.json, tokenizer_config.json, chat_template.jinja. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readVocabulary, type TokenizerJson, type Vocabulary } from "./vocabulary.ts";

/** tokenizer_config.json, as far as it is used; special tokens are plain strings here. */
export interface TokenizerConfig {
  readonly bos_token?: string;
  readonly eos_token?: string;
  readonly chat_template?: string | readonly { readonly name: string; readonly template: string }[];
  readonly [option: string]: unknown;
}

export interface TokenizerFiles {
  /** tokenizer.json with its vocabulary and merges emptied: they are in `vocabulary`. */
  readonly json: TokenizerJson;
  readonly config: TokenizerConfig;
  readonly vocabulary: Vocabulary;
}

/** Throws an Error that names the file and what is wrong with it. */
export function readTokenizerFolder(folder: string): TokenizerFiles {
  const path = join(folder, "tokenizer.json");
  if (!existsSync(path)) {
    throw new Error(
      `${folder} has no tokenizer.json. Expected a Hugging Face folder with a fast tokenizer; ` +
        "give another with --tokenizer-path.",
    );
  }
  const json = readJson(path) as TokenizerJson;
  try {
    const vocabulary = readVocabulary(json);
    return { json: withoutTables(json), config: readConfig(folder), vocabulary };
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** tokenizer.json without what `Vocabulary` holds. */
export function withoutTables(json: TokenizerJson): TokenizerJson {
  return { ...json, model: { ...json.model, vocab: {}, merges: [] } };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** A chat template in its own file stands over the one in tokenizer_config.json, as in transformers. */
function readConfig(folder: string): TokenizerConfig {
  const path = join(folder, "tokenizer_config.json");
  const template = join(folder, "chat_template.jinja");
  return {
    ...plainTokens(existsSync(path) ? (readJson(path) as object) : {}),
    ...(existsSync(template) ? { chat_template: readFileSync(template, "utf8") } : {}),
  };
}

/** Special tokens may be written as objects with the text in `content`; the decoder's list is not needed. */
export function plainTokens(config: object): TokenizerConfig {
  const entries = Object.entries(config)
    .filter(([key]) => key !== "added_tokens_decoder")
    .map(([key, value]) => [
      key,
      key.endsWith("_token") && value !== null && typeof value === "object" ? value.content : value,
    ]);
  return Object.fromEntries(entries) as TokenizerConfig;
}
