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
  if (exchanges.length < options.numPrompts) {
    throw new UserError(
      `${source} has ${exchanges.length} conversations of two turns; the random data set needs one a prompt, ` +
        `${options.numPrompts}. Lower --num-prompts or use --dataset-name random-ids.`,
    );
  }
  python.shuffle(exchanges);
  const cleanUp = options.decodeCleanup && tokenizer.cleansUp;
  const requests = inputs.map((promptLen, i): BenchRequest => {
    const ids = fitLength(tokenizer.encode(exchanges[i]![0]), promptLen);
    const prompt = tokenizer.decode(ids, { skipSpecialTokens: false, cleanUp });
    return { prompt, promptLen, outputLen: outputs[i]! };
  });
  return { requests, source };
}

/** Cuts `ids` or repeats them up to `length`. Nothing stays nothing: bench_serving sends an empty prompt too. */
function fitLength(ids: readonly number[], length: number): readonly number[] {
  if (ids.length === 0) return ids;
  return Array.from({ length }, (_, i) => ids[i % ids.length]!);
}
