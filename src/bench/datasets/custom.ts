/**
 * Prompts of one's own: JSON lines, sent in the order of the file. A line is vLLM's form, {"prompt": TEXT or ids,
 * "output_tokens": N}, or SGLang's, {"conversations": [{"content": PROMPT}, {"content": REPLY}]}.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { UserError, UsageError } from "../../user-error.ts";
import { backendOf } from "../backends/index.ts";
import type { BenchOptions } from "../options.ts";
import type { BenchRequest, Prompt } from "../request.ts";
import { keptDataset, type Dataset, type DatasetContext } from "./dataset.ts";

/** Where neither the line nor --sharegpt-output-len says it: vLLM's default. */
const usualOutputLen = 256;

interface CustomPrompt {
  readonly prompt: Prompt;
  readonly outputLen: number | null;
  readonly reply: string | null;
}

export function customDataset({ options, tokenizer, note }: DatasetContext): Dataset {
  const { datasetPath: path, numPrompts, sharegptOutputLen } = options;
  if (path === "") {
    throw new UsageError("--dataset-name: custom needs --dataset-path, a file of JSON lines.");
  }
  if (!existsSync(path)) throw new UserError(`--dataset-path: '${path}' does not exist.`);
  const lines = readFileSync(path, "utf8").split("\n");
  const requests: BenchRequest[] = [];
  for (const [i, line] of lines.entries()) {
    if (requests.length === numPrompts) break;
    if (line.trim() === "") continue;
    const custom = parseLine(line, `${path}:${i + 1}`);
    if (typeof custom.prompt !== "string") checkIds(`${path}:${i + 1}`, options);
    const outputLen = sharegptOutputLen ?? custom.outputLen ?? replyLen(custom, tokenizer);
    requests.push({
      prompt: custom.prompt,
      promptLen: lengthOf(custom.prompt, tokenizer),
      outputLen,
    });
  }
  if (requests.length < numPrompts) {
    note(`${path} has ${requests.length} prompts, fewer than --num-prompts ${numPrompts}.`);
  }
  return keptDataset(requests, { source: path });
}

/** @throws UserError where ids are no use. */
function checkIds(where: string, { backend, applyChatTemplate }: BenchOptions): void {
  if (applyChatTemplate)
    throw new UserError(`--apply-chat-template needs text; ${where} has token ids.`);
  if (!backendOf[backend].takesIds)
    throw new UserError(`${where} has token ids, which the ${backend} backend does not take.`);
}

/** @throws UserError that names the line and says what is expected. */
function parseLine(line: string, where: string): CustomPrompt {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    throw new UserError(`${where} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const {
    prompt,
    output_tokens: tokens,
    conversations,
  } = (fields ?? {}) as Record<string, unknown>;
  if (tokens !== undefined && !(Number.isSafeInteger(tokens) && (tokens as number) >= 0)) {
    throw new UserError(
      `${where}: "output_tokens" is ${JSON.stringify(tokens)}, not a number of tokens.`,
    );
  }
  const outputLen = (tokens ?? null) as number | null;
  if (typeof prompt === "string") return { prompt: prompt.toWellFormed(), outputLen, reply: null };
  if (isIds(prompt)) return { prompt, outputLen, reply: null };
  const [said, reply] = Array.isArray(conversations) ? conversations.map(turnText) : [];
  if (typeof said !== "string") {
    throw new UserError(
      `${where} has no prompt; expected {"prompt": TEXT, "output_tokens": N} or {"conversations": [{"content": TEXT}, ...]}.`,
    );
  }
  return { prompt: said, outputLen, reply: reply ?? null };
}

function turnText(turn: unknown): string | null {
  const { content, value } = (turn ?? {}) as { content?: unknown; value?: unknown };
  const text = content ?? value;
  return typeof text === "string" ? text.toWellFormed() : null;
}

const isIds = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((id) => Number.isSafeInteger(id) && id >= 0);

const lengthOf = (prompt: Prompt, tokenizer: Tokenizer): number =>
  typeof prompt === "string" ? tokenizer.encode(prompt).length : prompt.length;

const replyLen = ({ reply }: CustomPrompt, tokenizer: Tokenizer): number =>
  reply === null ? usualOutputLen : tokenizer.encode(reply).length;
