/** Prompts as requests write them, and the token ids they become. */
import { decode } from "../tokenizer/detokenizer.ts";
import type { TokenBytes } from "../tokenizer/tokenizer.ts";
import { describe } from "./body.ts";
import type { ServerContext } from "./context.ts";
import { malformed, refused } from "./errors.ts";

export type Prompt = string | readonly number[];

export interface PromptList {
  readonly prompts: readonly Prompt[];
  /** Whether the request wrote a list of prompts, be it of one. */
  readonly isList: boolean;
}

/**
 * Reads a string, a list of strings, a list of ids or a list of lists of ids. Written out and not as a schema:
 * a union of schemas would report an error for every id of a long prompt before it tried the right member.
 */
export function parsePrompts(value: unknown, field: string): PromptList {
  if (typeof value === "string") return { prompts: [value], isList: false };
  if (!Array.isArray(value)) {
    throw malformed(
      `${field}: expected a string, a list of strings, a list of token ids or a list of such lists, got ${describe(value)}.`,
    );
  }
  if (value.length === 0) throw refused("Prompt cannot be empty");
  if (typeof value[0] === "number") return { prompts: [tokenIds(value, field)], isList: false };
  checkChoiceCount(value.length);
  const isText = typeof value[0] === "string";
  const prompts = value.map((item: unknown, i): Prompt => {
    if (isText && typeof item === "string") return item;
    if (!isText && Array.isArray(item)) return tokenIds(item, `${field}[${i}]`);
    const wanted = isText ? "a string" : "a list of token ids";
    throw malformed(`${field}[${i}]: expected ${wanted}, got ${describe(item)}.`);
  });
  return { prompts, isList: true };
}

/** A single request must not fill the memory. */
const choicesMax = 65_536;

export function checkChoiceCount(count: number): void {
  if (count <= choicesMax) return;
  throw refused(`One request may have ${choicesMax} prompts times n, not ${count}.`);
}

export function tokenIds(list: readonly unknown[], field: string): readonly number[] {
  const wrong = list.findIndex((id) => !Number.isSafeInteger(id));
  if (wrong < 0) return list as readonly number[];
  throw malformed(`${field}[${wrong}]: expected a token id, got ${describe(list[wrong])}.`);
}

/** The ids of each prompt. Throws a 400 for an empty prompt and for ids that the model does not have. */
export async function encodePrompts(
  context: ServerContext,
  prompts: readonly Prompt[],
  field: string,
): Promise<Int32Array[]> {
  const { vocabSize } = context.engine.limits;
  const texts = prompts.filter((prompt) => typeof prompt === "string");
  if (texts.some((text) => text === "")) throw refused("Prompt cannot be empty");
  const encoded = texts.length === 0 ? [] : await encodeTexts(context, texts, true);
  let next = 0;
  return prompts.map((prompt) => {
    const ids = typeof prompt === "string" ? encoded[next++]! : prompt;
    if (ids.length === 0) throw refused("Prompt cannot be empty");
    checkTokenIds(ids, vocabSize, field);
    return Int32Array.from(ids);
  });
}

/** Ids of texts, asked for at once so that many texts of one request take turns with other requests. */
export async function encodeTexts(
  context: ServerContext,
  texts: readonly string[],
  addSpecialTokens: boolean,
): Promise<Int32Array[]> {
  for (const text of texts) checkTextLength(context, text.length);
  return context.tokenizer.encodeAll(texts, { addSpecialTokens });
}

/** Throws a 400 for a text so long that it cannot fit: megabytes are not tokenized only to be refused. */
export function checkTextLength({ tokenizer, engine }: ServerContext, characters: number): void {
  const fewestTokens = Math.ceil(characters / longestTokenBytes(tokenizer.bytes.offsets));
  if (fewestTokens >= engine.limits.contextLength) {
    throw tooLong(`at least ${fewestTokens}`, engine.limits.contextLength);
  }
}

const longestByVocabulary = new WeakMap<Uint32Array, number>();
function longestTokenBytes(offsets: Uint32Array): number {
  let longest = longestByVocabulary.get(offsets);
  if (longest === undefined) {
    longest = 1;
    for (let i = 1; i < offsets.length; i++)
      longest = Math.max(longest, offsets[i]! - offsets[i - 1]!);
    longestByVocabulary.set(offsets, longest);
  }
  return longest;
}

export function checkTokenIds(ids: ArrayLike<number>, vocabSize: number, field: string): void {
  const wrong = Array.prototype.find.call(ids, (id: number) => id < 0 || id >= vocabSize);
  if (wrong === undefined) return;
  throw refused(`${field}: token id ${wrong} is not in the vocabulary [0, ${vocabSize - 1}].`);
}

/** SGLang's sentence, in its own grammar. */
export function checkBiasIds(
  biases: readonly (readonly [id: number, bias: number])[],
  vocabSize: number,
): void {
  const wrong = biases.find(([id]) => id < 0 || id >= vocabSize);
  if (wrong) throw refused(`logit_bias must has keys in [0, ${vocabSize - 1}], got ${wrong[0]}.`);
}

const tooLong = (count: number | string, contextLength: number) =>
  refused(
    `The input (${count} tokens) is longer than the model's context length (${contextLength} tokens).`,
  );

/**
 * Tokens to generate after a prompt, `asked` or as many as fit. Throws SGLang's sentences when the prompt or
 * the total is too large.
 */
export function outputLength(
  { engine }: ServerContext,
  promptLength: number,
  asked: number | null,
): number {
  const { contextLength, maxTotalTokens } = engine.limits;
  if (promptLength >= contextLength) throw tooLong(promptLength, contextLength);
  if (promptLength >= maxTotalTokens) {
    throw refused(
      `Input length (${promptLength} tokens) exceeds the maximum allowed length (${maxTotalTokens - 1} tokens). Use a shorter input.`,
    );
  }
  const capacity = Math.min(contextLength, maxTotalTokens);
  if (asked === null) return capacity - promptLength;
  const total = promptLength + asked;
  if (total <= capacity) return asked;
  const limit =
    capacity === contextLength
      ? `the model's maximum context length of ${capacity} tokens`
      : `the KV cache, which holds ${capacity} tokens`;
  throw refused(
    `Requested token count exceeds ${limit}. You requested a total of ${total} tokens: ` +
      `${promptLength} tokens from the input messages and ${asked} tokens for the completion. ` +
      `Please reduce the number of tokens in the input messages or the completion to fit within the limit.`,
  );
}

/** A prompt as text, for answers that repeat it. */
export function promptText(bytes: TokenBytes, prompt: Prompt): string {
  return typeof prompt === "string" ? prompt : decode(bytes, prompt);
}
