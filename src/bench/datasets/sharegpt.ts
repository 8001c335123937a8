/** Real conversations: the first turn is the prompt, the length of the second is the output length. */
import { UsageError } from "../../user-error.ts";
import { loadConversations, repetitionNote } from "./conversations.ts";
import { keptDataset, type Dataset, type DatasetContext } from "./dataset.ts";

const minLen = 4;
const maxPromptLen = 1024;
const maxTotalLen = 2048;

/**
 * bench_serving's rules in its order: shuffle, then take the first `numPrompts` that are neither short nor long. Only
 * the made-up corpus is gone through again where it has fewer.
 */
export function sharegptDataset(context: DatasetContext): Dataset {
  const { numPrompts, sharegptOutputLen } = context.options;
  if (sharegptOutputLen !== null && sharegptOutputLen < minLen) {
    throw new UsageError(
      `--sharegpt-output-len: ${sharegptOutputLen} is too small; the least is ${minLen}.`,
    );
  }
  const { options, note } = context;
  const { exchanges, source, madeUp } = loadConversations({ ...options, note });
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
  const usable = requests.length;
  if (usable < numPrompts && madeUp) {
    note(repetitionNote(source, usable, numPrompts));
    while (requests.length < numPrompts) requests.push(requests[requests.length % usable]!);
  } else if (usable < numPrompts) {
    note(`${source} has ${usable} usable conversations, fewer than --num-prompts ${numPrompts}.`);
  }
  return keptDataset(requests, { source });
}
