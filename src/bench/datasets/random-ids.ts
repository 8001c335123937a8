/**
 * Token ids in place of text, so that lengths are exact and no tokenizer of the server is in the way. Prompt
 * i counts up from a drawn offset: id j is (offset + i + j) modulo the number of ordinary ids (the rule that
 * bench_serving v0.2.7 holds ready but never runs). Special ids are left out: a model may stop or misbehave
 * at one in mid-prompt.
 */
import { tokenFlag } from "../../tokenizer/tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Dataset, DatasetContext } from "./dataset.ts";
import { drawLengths } from "./lengths.ts";

export function randomIdsDataset({ options, tokenizer, numpy }: DatasetContext): Dataset {
  const { inputs, outputs } = drawLengths(options, numpy);
  const ids = ordinaryIds(tokenizer);
  const offsets = numpy.integers(0, ids.length, options.numPrompts);
  return {
    promptLens: inputs,
    outputLens: outputs,
    prompt: (i) =>
      Array.from({ length: inputs[i]! }, (_, j) => ids[(offsets[i]! + i + j) % ids.length]!),
    source: "random ids",
  };
}

function ordinaryIds({ baseVocabSize, bytes }: Tokenizer): number[] {
  const ids = Array.from({ length: baseVocabSize }, (_, id) => id);
  return ids.filter((id) => (bytes.flags[id]! & tokenFlag.special) === 0);
}
