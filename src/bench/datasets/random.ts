/** Text of drawn length: conversations cut or repeated to so many tokens, then decoded. */
import { UserError } from "../../user-error.ts";
import type { BenchRequest } from "../request.ts";
import { loadConversations } from "./conversations.ts";
import type { Dataset, DatasetContext } from "./dataset.ts";
import { drawLengths } from "./lengths.ts";

/**
 * As in bench_serving the length is recorded, not measured again: a server may count other tokens, since
 * special tokens stay in the decoded text and decoding then encoding need not give the same ids.
 */
export function randomDataset(context: DatasetContext): Dataset {
  const { options, tokenizer, python, numpy, note } = context;
  const { inputs, outputs } = drawLengths(options, numpy);
  const { exchanges, source } = loadConversations({ ...options, note });
  python.shuffle(exchanges);
  const cleanUp = options.decodeCleanup && tokenizer.cleansUp;
  const requests: BenchRequest[] = [];
  for (const [text] of exchanges) {
    if (requests.length === options.numPrompts) break;
    const textIds = tokenizer.encode(text);
    if (textIds.length === 0) continue; // nothing to repeat; bench_serving dies on it
    const promptLen = inputs[requests.length]!;
    const ids = fitLength(textIds, promptLen);
    const prompt = tokenizer.decode(ids, { skipSpecialTokens: false, cleanUp });
    requests.push({ prompt, promptLen, outputLen: outputs[requests.length]! });
  }
  if (requests.length < options.numPrompts) {
    throw new UserError(
      `${source} has ${requests.length} conversations of two turns; the random data set needs one a prompt, ` +
        `${options.numPrompts}. Lower --num-prompts or use --dataset-name random-ids.`,
    );
  }
  return { requests, source };
}

/** Cuts `ids` or repeats them up to `length`. */
function fitLength(ids: readonly number[], length: number): number[] {
  return Array.from({ length }, (_, i) => ids[i % ids.length]!);
}
