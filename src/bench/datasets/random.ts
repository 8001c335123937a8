/** Text of drawn length: conversations cut or repeated to so many tokens, then decoded. */
import { UserError } from "../../user-error.ts";
import { loadConversations, repetitionNote } from "./conversations.ts";
import type { Dataset, DatasetContext } from "./dataset.ts";
import { drawLengths } from "./lengths.ts";

/**
 * As in bench_serving the length is recorded, not measured again: a server may count other tokens, since
 * special tokens stay in the decoded text and decoding then encoding need not give the same ids. Where bench_serving
 * runs out of conversations they are gone through again. What is kept is the beginning of each as ids.
 */
export function randomDataset(context: DatasetContext): Dataset {
  const { options, tokenizer, python, numpy, note } = context;
  const { inputs, outputs } = drawLengths(options, numpy);
  const { exchanges, source } = loadConversations({ ...options, note });
  if (exchanges.length === 0) {
    throw new UserError(
      `${source} has no conversation of two turns; the random data set needs one.`,
    );
  }
  if (exchanges.length < options.numPrompts) {
    note(repetitionNote(source, exchanges.length, options.numPrompts));
  }
  python.shuffle(exchanges);
  const beginnings = exchanges
    .slice(0, options.numPrompts)
    .map(([prompt]) => Int32Array.from(tokenizer.encode(prompt).slice(0, options.randomInputLen)));
  const cleanUp = options.decodeCleanup && tokenizer.cleansUp;
  return {
    promptLens: inputs,
    outputLens: outputs,
    prompt: (index) => {
      const ids = fitLength(beginnings[index % beginnings.length]!, inputs[index]!);
      return tokenizer.decode(ids, { skipSpecialTokens: false, cleanUp });
    },
    source,
  };
}

/** Cuts `ids` or repeats them up to `length`. Nothing stays nothing: bench_serving sends an empty prompt too. */
function fitLength(ids: Int32Array, length: number): Int32Array {
  if (ids.length >= length || ids.length === 0) return ids.subarray(0, length);
  return Int32Array.from({ length }, (_, i) => ids[i % ids.length]!);
}
