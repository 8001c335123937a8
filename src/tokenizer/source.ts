/** Opens the files of a tokenizer wherever they are. */
import { runtime } from "../runtime/index.ts";
import { readTokenizerFolder, type TokenizerFiles } from "./files.ts";
import { unpack, unpackBytes } from "./packed.ts";
import type { TokenBytes, TokenizerSource } from "./tokenizer.ts";

/** Throws an Error that names the file and what is wrong with it. */
export function readTokenizerFiles(source: TokenizerSource): TokenizerFiles {
  const files =
    "asset" in source ? unpack(runtime.asset(source.asset)) : readTokenizerFolder(source.folder);
  if (source.chatTemplate === undefined) return files;
  return { ...files, config: { ...files.config, chat_template: source.chatTemplate } };
}

/** Only what turns ids into text: a few milliseconds for a packed tokenizer. */
export function loadTokenBytes(source: TokenizerSource): TokenBytes {
  if ("asset" in source) return unpackBytes(runtime.asset(source.asset));
  return readTokenizerFolder(source.folder).vocabulary.bytes;
}
