/** Conversations in ShareGPT's format: the file named, the default file, or the synthetic corpus. */
import { UserError } from "../../user-error.ts";
import { existsSync, statSync } from "node:fs";
import type { BenchOptions } from "../options.ts";
import { readJsonArray } from "./json-array.ts";
import { syntheticConversations } from "./synthetic.ts";

/** The first two turns. */
export type Exchange = readonly [prompt: string, reply: string];

export interface Conversations {
  readonly exchanges: Exchange[];
  readonly source: string;
  /** They were made up, so no rule says how often one may be sent. */
  readonly madeUp: boolean;
}
export interface ConversationOptions {
  readonly datasetPath: string;
  readonly numPrompts: number;
  readonly allowTruncated: boolean;
  readonly note: (line: string) => void;
}

/** A file in a repository of data sets on the Hugging Face Hub. */
export interface HubFile {
  readonly repository: string;
  readonly file: string;
}

/** bench_serving looks for it in the working directory and downloads it if it is not there; here only when asked. */
export const defaultFile = "ShareGPT_V3_unfiltered_cleaned_split.json";
const shareGpt = { repository: "anon8231489123/ShareGPT_Vicuna_unfiltered", file: defaultFile };

/** The file of conversations that a run is to use; "" for the synthetic corpus. */
export async function conversationsPath(
  { datasetName, datasetPath, downloadDataset }: BenchOptions,
  fetchDataset: (dataset: HubFile) => Promise<string>,
): Promise<string> {
  const usesConversations = datasetName === "sharegpt" || datasetName === "random";
  if (datasetPath !== "" || !usesConversations) return datasetPath;
  if (isFile(defaultFile)) return defaultFile;
  return downloadDataset ? fetchDataset(shareGpt) : "";
}

/** All conversations of at least two turns, in the order of the file. Throws a UserError with what to do. */
export function loadConversations(options: ConversationOptions): Conversations {
  const { datasetPath, note } = options;
  if (datasetPath !== "") return fromFile(datasetPath, options);
  const exchanges = syntheticConversations(options.numPrompts);
  note(
    `No --dataset-path and no ${defaultFile} here: using ${exchanges.length} synthetic conversations. ` +
      "For figures that compare with published ones, download ShareGPT with --download-dataset.",
  );
  return { exchanges, source: "synthetic", madeUp: true };
}

function fromFile(path: string, { allowTruncated, note }: ConversationOptions): Conversations {
  if (!isFile(path)) {
    const problem = existsSync(path) ? "is not a file" : "does not exist";
    throw new UserError(
      `--dataset-path: '${path}' ${problem}. Leave the flag out to use a synthetic corpus, ` +
        "or give --download-dataset in its place to use ShareGPT.",
    );
  }
  const { items, truncation } = readJsonArray(path, (item, index) => exchangeOf(item, index, path));
  if (truncation) {
    const { line, byte, bytes } = truncation;
    const where = `is cut off: it ends at byte ${bytes}, inside the conversation that begins on line ${line} (byte ${byte})`;
    if (!allowTruncated) {
      throw new UserError(
        `${path} ${where}. ${items.length} conversations before it are whole; ` +
          `download the file again, or use them with --allow-truncated.`,
      );
    }
    note(`${path} ${where}; using the ${items.length} conversations before it.`);
  }
  const exchanges = items.filter((exchange) => exchange !== null);
  return { exchanges, source: path, madeUp: false };
}

/** To those who ask for more prompts than there are conversations to make them of. */
export function repetitionNote(source: string, usable: number, prompts: number): string {
  const times = Math.ceil(prompts / usable);
  return (
    `${source} has ${usable} usable conversations: ${prompts} prompts use each up to ${times} times, ` +
    "which a prefix cache knows again; --salt random makes each new."
  );
}

/** null for fewer than two turns. Lone surrogates, which no tokenizer takes, become U+FFFD. */
function exchangeOf(item: unknown, index: number, path: string): Exchange | null {
  const turns = (item as { conversations?: unknown } | null)?.conversations;
  if (!Array.isArray(turns)) {
    throw new UserError(
      `${path}: element ${index} has no "conversations" list; expected [{"conversations": [{"from", "value"}, ...]}, ...].`,
    );
  }
  if (turns.length < 2) return null;
  const [prompt, reply] = turns
    .slice(0, 2)
    .map((turn) => (turn as { value?: unknown } | null)?.value);
  if (typeof prompt !== "string" || typeof reply !== "string") {
    throw new UserError(`${path}: element ${index} has a turn whose "value" is not a string.`);
  }
  return [prompt.toWellFormed(), reply.toWellFormed()];
}

const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
