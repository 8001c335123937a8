/** POST /tokenize and /detokenize, also under /v1: what the tokenizer makes of texts and of ids. */
import type { Hono } from "hono";
import { z } from "zod";
import { Detokenizer } from "../../tokenizer/detokenizer.ts";
import { describe, parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { malformed, refused } from "../errors.ts";
import { encodeMessages, messagesField, toMessages } from "../messages.ts";
import { checkTokenIds, encodeTexts, tokenIds } from "../prompts.ts";
import { anything, boolean, refuseNotBuilt, string } from "../sampling.ts";

const tokenizeSchema = z.object({
  prompt: z.union([string, z.array(string)], "a string or a list of strings").nullish(),
  messages: messagesField.nullish(),
  add_special_tokens: boolean.nullish(),
});
const detokenizeSchema = z.object({ tokens: anything, skip_special_tokens: boolean.nullish() });

export const tokenizePaths = ["/tokenize", "/v1/tokenize"];
export const detokenizePaths = ["/detokenize", "/v1/detokenize"];

export function tokenizeRoutes(app: Hono, context: ServerContext): void {
  app.on("POST", tokenizePaths, async (c) => {
    const body = await readJsonObject(c.req.raw, context);
    refuseNotBuilt(body, { tools: [], chat_template_kwargs: [], continue_final_message: [false] });
    const tokens = await tokenize(context, parseFields(tokenizeSchema, body));
    const isList = Array.isArray(tokens);
    return c.json({
      tokens: isList ? tokens.map((ids) => [...ids]) : [...tokens],
      count: isList ? tokens.map((ids) => ids.length) : tokens.length,
      max_model_len: context.engine.limits.contextLength,
    });
  });

  app.on("POST", detokenizePaths, async (c) => {
    const body = await readJsonObject(c.req.raw, context);
    const fields = parseFields(detokenizeSchema, body);
    const { lists, isNested } = listsOf(fields.tokens, context.engine.limits.vocabSize);
    const texts: string[] = [];
    for (const ids of lists) {
      texts.push(await detokenize(context, ids, fields.skip_special_tokens ?? true));
    }
    return c.json({ text: isNested ? texts : texts[0]! });
  });
}

/** A list of them for a list of prompts. */
async function tokenize(
  context: ServerContext,
  { prompt, messages, add_special_tokens }: z.output<typeof tokenizeSchema>,
): Promise<Int32Array | Int32Array[]> {
  if ((prompt == null) === (messages == null)) {
    throw refused("Exactly one of prompt and messages must be given.");
  }
  if (messages != null) {
    // The template writes the special tokens itself.
    return encodeMessages(context, toMessages(messages), add_special_tokens ?? false);
  }
  const texts = typeof prompt === "string" ? [prompt] : prompt!;
  const encoded = await encodeTexts(context, texts, add_special_tokens ?? true);
  return typeof prompt === "string" ? encoded[0]! : encoded;
}

function listsOf(tokens: unknown, vocabSize: number) {
  if (!Array.isArray(tokens)) {
    throw malformed(
      `tokens: expected a list of token ids or a list of such lists, got ${describe(tokens)}.`,
    );
  }
  const isNested = Array.isArray(tokens[0]);
  const lists = (isNested ? tokens : [tokens]).map((list: unknown, i) => {
    const at = isNested ? `tokens[${i}]` : "tokens";
    if (!Array.isArray(list)) {
      throw malformed(`${at}: expected a list of token ids, got ${describe(list)}.`);
    }
    const ids = tokenIds(list, at);
    checkTokenIds(ids, vocabSize, at);
    return ids;
  });
  return { lists, isNested };
}

/** Ids between which other requests have a turn: a millisecond or two. */
const idsAtOnce = 1 << 15;

async function detokenize(
  { tokenizer }: ServerContext,
  ids: readonly number[],
  skipSpecialTokens: boolean,
): Promise<string> {
  const detokenizer = new Detokenizer(tokenizer.bytes, { skipSpecialTokens });
  let text = "";
  for (let i = 0; i < ids.length; i++) {
    text += detokenizer.push(ids[i]!);
    if (i % idsAtOnce === idsAtOnce - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  return text + detokenizer.flush();
}
