/** What is done to the prompts of a data set before they are sent: a salt against prefix caches, a chat template. */
import { randomBytes } from "node:crypto";
import seedrandom from "seedrandom";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { tokenFlag } from "../tokenizer/tokenizer.ts";
import { UserError } from "../user-error.ts";
import type { Dataset } from "./datasets/index.ts";
import type { BenchOptions } from "./options.ts";
import type { BenchRequest, Prompt } from "./request.ts";

/** Ids of a prompt that a salt takes the place of: enough that two salts differ in them. */
const saltIds = 4;

/** Characters of a prompt that are encoded to see what a salt adds: further on nothing changes. */
const headLength = 256;

/** A number and a blank. */
const saltText = (mark: string): string => `${seedrandom(mark).int32() >>> 0} `;

export class Prompts {
  readonly count: number;
  /** Tokens of the prompts of round 0, those of a salt or a template included. */
  readonly promptLens: Int32Array;
  readonly #dataset: Dataset;
  readonly #tokenizer: Tokenizer;
  readonly #salt: string | null;
  readonly #applyChatTemplate: boolean;

  /** Tokenizes salts and templated prompts. @throws UserError, also where the chat template refuses a prompt. */
  constructor(dataset: Dataset, tokenizer: Tokenizer, options: BenchOptions) {
    if (options.applyChatTemplate && !tokenizer.hasChatTemplate) {
      throw new UserError(
        "--apply-chat-template: the tokenizer has no chat template; name another with --tokenizer.",
      );
    }
    this.#dataset = dataset;
    this.#tokenizer = tokenizer;
    this.#salt = options.salt === "random" ? randomBytes(8).toString("hex") : options.salt;
    this.#applyChatTemplate = options.applyChatTemplate;
    this.count = dataset.promptLens.length;
    const asMade = this.#salt === null && !options.applyChatTemplate;
    this.promptLens = asMade
      ? dataset.promptLens
      : dataset.promptLens.map((_, index) => this.#promptLen(index, 0));
  }

  /**
   * Request `index` of the data set. Those of round 0 are as it made them unless a salt is asked for; no later round
   * is like another.
   */
  request(index: number, round: number): BenchRequest {
    return {
      prompt: this.#prompt(index, round),
      promptLen: round === 0 ? this.promptLens[index]! : this.#promptLen(index, round),
      outputLen: this.#dataset.outputLens[index]!,
    };
  }

  /** What tells the prompt from those of other rounds; null: nothing does. */
  #mark(index: number, round: number): string | null {
    if (round === 0 && this.#salt === null) return null;
    const run = `${this.#salt ?? ""} ${round}`;
    // Prompts that share a beginning go on sharing it.
    return this.#dataset.sharesPrefixes ? run : `${run} ${index}`;
  }

  #prompt(index: number, round: number): Prompt {
    const made = this.#dataset.prompt(index);
    const mark = this.#mark(index, round);
    const prompt = mark === null ? made : this.#salted(index, made, mark);
    return this.#applyChatTemplate ? this.#templated(prompt) : prompt;
  }

  #salted(index: number, made: Prompt, mark: string): Prompt {
    const { renew, promptLens } = this.#dataset;
    if (renew) return renew(promptLens[index]!, mark);
    return typeof made === "string" ? saltText(mark) + made : this.#saltedIds(made, mark);
  }

  #promptLen(index: number, round: number): number {
    const encoded = (text: string): number => this.#tokenizer.encode(text).length;
    if (this.#applyChatTemplate) return encoded(this.#prompt(index, round) as string);
    const { prompt, promptLens, renew } = this.#dataset;
    const made = prompt(index);
    const mark = this.#mark(index, round);
    if (mark === null || renew || typeof made !== "string") return promptLens[index]!;
    // The recorded length need not be the measured one (of `random` it is not), so it grows by the difference.
    const head = made.slice(0, headLength).toWellFormed();
    return promptLens[index]! + encoded(saltText(mark) + head) - encoded(head);
  }

  #saltedIds(ids: readonly number[], mark: string): readonly number[] {
    const random = seedrandom(mark);
    return ids.map((id, i) => (i < saltIds ? this.#ordinaryId(random) : id));
  }

  #ordinaryId(random: () => number): number {
    const { baseVocabSize, bytes } = this.#tokenizer;
    for (;;) {
      const id = Math.floor(random() * baseVocabSize);
      if ((bytes.flags[id]! & tokenFlag.special) === 0) return id;
    }
  }

  /** As a user's message; text, since none else gets here. The server puts the first token in front itself. */
  #templated(prompt: Prompt): string {
    const rendered = this.#render(prompt as string);
    const { bosId } = this.#tokenizer;
    const bos = bosId === null ? "" : this.#tokenizer.decode([bosId], { skipSpecialTokens: false });
    return bos !== "" && rendered.startsWith(bos) ? rendered.slice(bos.length) : rendered;
  }

  #render(content: string): string {
    try {
      return this.#tokenizer.applyChatTemplate([{ role: "user", content }], true);
    } catch (error) {
      throw new UserError(
        `--apply-chat-template: the tokenizer's template refuses a prompt: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }
}
