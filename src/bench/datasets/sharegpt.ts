/** Real conversations: the first turn is the prompt, the length of the second is the output length. */
import { UsageError } from "../../user-error.ts";
import { loadConversations } from "./conversations.ts";
import type { Dataset, DatasetContext } from "./dataset.ts";

const minLen = 4;
const maxPromptLen = 1024;
const maxTotalLen = 2048;

/** bench_serving's rules in its order: shuffle, then take the first `numPrompts` that are neither short nor long. */
export function sharegptDataset(context: DatasetContext): Dataset {
  const { numPrompts, sharegptOutputLen } = context.options;
  if (sharegptOutputLen !== null && sharegptOutputLen < minLen) {
    throw new UsageError(
      `--sharegpt-output-len: ${sharegptOutputLen} is too small; the least is ${minLen}.`,
    );
  }
  const { exchanges, source } = loadConversations({ ...context.options, note: context.note });
  context.python.shuffle(exchanges);
  const requests = [];
  for (const [prompt, reply] of exchanges) {
    if (requests.length === numPrompts) break;
    const promptLen = context.tokenizer.encode(prompt).length;
    if (promptLen < minLen || promptLen > maxPromptLen) continue;
    const outputLen = sharegptOutputLen ?? context.tokenizer.encode(reply).length;
    if (outputLen < minLen || promptLen + outputLen > maxTotalLen) continue;
    requests.push({ prompt, promptLen, outputLen });
  }
  if (requests.length < numPrompts) {
    context.note(
      `${source} has ${requests.length} usable conversations, fewer than --num-prompts ${numPrompts}.`,
    );
  }
  return { requests, source };
}
