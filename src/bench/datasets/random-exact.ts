/**
 * Random text whose length on the server is exactly the length drawn: whole words, encoded again and made longer or
 * shorter until the count is right. (Of `random` it is not: decoded ids need not encode to the same ids.) A server
 * that uses another tokenizer than the client counts otherwise all the same.
 */
import seedrandom from "seedrandom";
import { tokenFlag } from "../../tokenizer/tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { UserError } from "../../user-error.ts";
import type { BenchRequest } from "../request.ts";
import { keptDataset, type Dataset, type DatasetContext } from "./dataset.ts";
import { drawLengths } from "./lengths.ts";

/** Corrections of one prompt. Nearly always one suffices: words of the vocabulary seldom merge. */
const roundsMax = 64;

export function randomExactDataset({ options, tokenizer, numpy }: DatasetContext): Dataset {
  const { inputs, outputs } = drawLengths(options, numpy);
  const writer = new ExactWriter(tokenizer);
  const requests = Array.from(inputs, (length, i): BenchRequest => {
    const random = seedrandom(`random-exact ${options.seed} ${i}`);
    return { ...writer.write(length, random), outputLen: outputs[i]! };
  });
  const renew = (promptLen: number, mark: string): string =>
    writer.write(promptLen, seedrandom(`random-exact ${options.seed} ${mark}`)).prompt;
  return keptDataset(requests, { source: "random words", renew });
}

/** Writes texts of so many tokens, those that the tokenizer adds itself included. */
export class ExactWriter {
  readonly #tokenizer: Tokenizer;
  readonly #words: readonly string[];
  /** A prompt has one word at least: servers refuse an empty one. */
  readonly #least: number;

  /** @throws UserError */
  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#words = wordsOf(tokenizer);
    if (this.#words.length === 0) {
      throw new UserError(
        "--dataset-name: random-exact writes words of the tokenizer's vocabulary, and this one has none; use random-ids.",
      );
    }
    this.#least = tokenizer.encode("").length + 1;
  }

  /** @throws UserError */
  write(length: number, random: () => number): { prompt: string; promptLen: number } {
    const wanted = Math.max(length, this.#least);
    const words: string[] = [];
    let missing = wanted - this.#least + 1;
    for (let round = 0; round < roundsMax; round++) {
      if (missing < 0) {
        // One more than is too much, so that another word comes in and the same text is not tried again.
        words.length = Math.max(words.length + missing - 1, 0);
        missing = 1;
      }
      for (let i = 0; i < missing; i++) words.push(this.#draw(random));
      const prompt = words.join("");
      missing = wanted - this.#tokenizer.encode(prompt).length;
      if (missing === 0) return { prompt, promptLen: wanted };
    }
    throw new UserError(
      `--dataset-name: no text of exactly ${wanted} tokens was found; use random-ids.`,
    );
  }

  #draw(random: () => number): string {
    return this.#words[Math.floor(random() * this.#words.length)]!;
  }
}

/** Tokens that are a blank and a word of small letters: text made of them is split at the blanks again. */
function wordsOf({ bytes: { data, offsets, flags }, baseVocabSize }: Tokenizer): string[] {
  const words: string[] = [];
  const ascii = new TextDecoder("latin1");
  for (let id = 0; id < baseVocabSize; id++) {
    const length = offsets[id + 1]! - offsets[id]!;
    if (length < 4 || length > 16 || (flags[id]! & tokenFlag.special) !== 0) continue;
    const text = ascii.decode(data.subarray(offsets[id]!, offsets[id + 1]!));
    if (/^ [a-z]+$/.test(text)) words.push(text);
  }
  return words;
}
