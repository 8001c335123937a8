/** Conversations as requests write them, and the prompts that the chat template makes of them. */
import { z } from "zod";
import type { ChatMessage } from "../tokenizer/tokenizer.ts";
import { describe } from "./body.ts";
import type { ServerContext } from "./context.ts";
import { refused } from "./errors.ts";
import { checkTextLength, encodeTexts } from "./prompts.ts";
import { anything, refuseNotBuilt, string } from "./sampling.ts";

const part = z.object({ type: string, text: string.nullish() }, "an object");
const message = z.object(
  {
    role: string,
    content: z.union([string, z.array(part)], "a string or a list of parts").nullish(),
    tool_calls: anything,
  },
  "an object with role and content",
);
export const messagesField = z.array(message, "a list of messages");

const roles = ["system", "developer", "user", "assistant"];

/** Throws a 400 for an empty list and for what this server cannot read. */
export function toMessages(fields: z.output<typeof messagesField>): ChatMessage[] {
  if (fields.length === 0) throw refused("Messages cannot be empty.");
  return fields.map(toMessage);
}

/** The texts of a message's parts are joined by spaces, as templates for plain strings get them from SGLang. */
function toMessage(
  { role, content, tool_calls }: z.output<typeof message>,
  index: number,
): ChatMessage {
  const at = `messages[${index}]`;
  if (!roles.includes(role)) {
    throw refused(`${at}.role: ${describe(role)} is not supported; use ${roles.join(", ")}.`);
  }
  refuseNotBuilt({ tool_calls }, { tool_calls: [] }, `${at}.`);
  if (!Array.isArray(content)) return { role, content: content ?? "" };
  const texts = content.map(({ type, text }, i) => {
    if (type === "text" && typeof text === "string") return text;
    throw refused(
      `${at}.content[${i}]: a part of type ${describe(type)} is not supported; use {"type": "text", "text": ...}.`,
    );
  });
  return { role, content: texts.join(" ") };
}

/**
 * Ids of the conversation, ready for the assistant's turn.
 * @param addSpecialTokens Chat leaves it false: the template writes the BOS token itself.
 */
export async function encodeMessages(
  context: ServerContext,
  messages: readonly ChatMessage[],
  addSpecialTokens: boolean,
): Promise<Int32Array> {
  const { tokenizer } = context;
  if (!tokenizer.hasChatTemplate) {
    throw refused("This model has no chat template; use /v1/completions.");
  }
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
  checkTextLength(context, characters);
  const text = await tokenizer.applyChatTemplate(messages, true).catch((error: Error) => {
    throw refused(`The chat template refuses these messages: ${error.message}`);
  });
  const [ids] = await encodeTexts(context, [text], addSpecialTokens);
  return ids!;
}
