/** What is done to the prompts of a data set before they are sent: a salt against prefix caches, a chat template. */
import { randomBytes } from "node:crypto";
import seedrandom from "seedrandom";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { tokenFlag } from "../tokenizer/tokenizer.ts";
import { UserError } from "../user-error.ts";
import type { Dataset } from "./datasets/index.ts";
import type { BenchOptions } from "./options.ts";
import type { BenchRequest } from "./request.ts";

/** Ids of a prompt that a salt takes the place of: enough that two salts differ in them. */
const saltIds = 4;

/** Characters of a prompt that are encoded to see what a salt adds: further on nothing changes. */
const headLength = 256;

export class Prompts {
  readonly count: number;
  readonly #dataset: Dataset;
  readonly #tokenizer: Tokenizer;
  readonly #salt: string | null;
  readonly #applyChatTemplate: boolean;

  /** @throws UserError */
  constructor(dataset: Dataset, tokenizer: Tokenizer, options: BenchOptions) {
    if (options.applyChatTemplate && !tokenizer.hasChatTemplate) {
      throw new UserError(
        "--apply-chat-template: the tokenizer has no chat template; name another with --tokenizer.",
      );
    }
    this.count = dataset.requests.length;
    this.#dataset = dataset;
    this.#tokenizer = tokenizer;
    this.#salt = options.salt === "random" ? randomBytes(8).toString("hex") : options.salt;
    this.#applyChatTemplate = options.applyChatTemplate;
  }

  /**
   * Request `index` of the data set. Those of round 0 are as it made them unless a salt is asked for; no later round
   * is like another. @throws UserError where the chat template refuses.
   */
  request(index: number, round: number): BenchRequest {
    const request = this.#dataset.requests[index]!;
    const salted =
      round === 0 && this.#salt === null ? request : this.#salted(request, index, round);
    return this.#applyChatTemplate ? this.#templated(salted) : salted;
  }

  #salted(request: BenchRequest, index: number, round: number): BenchRequest {
    const run = `${this.#salt ?? ""} ${round}`;
    // Prompts that share a beginning go on sharing it.
    const mark = this.#dataset.sharesPrefixes ? run : `${run} ${index}`;
    if (this.#dataset.renew) return this.#dataset.renew(request, mark);
    const { prompt } = request;
    if (typeof prompt !== "string") return { ...request, prompt: this.#saltedIds(prompt, mark) };
    const salt = `${seedrandom(mark).int32() >>> 0} `;
    // The recorded length need not be the measured one (of `random` it is not), so it grows by the difference.
    const head = prompt.slice(0, headLength).toWellFormed();
    const grown = this.#tokenizer.encode(salt + head).length - this.#tokenizer.encode(head).length;
    return { ...request, prompt: salt + prompt, promptLen: request.promptLen + grown };
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

  /** As a user's message. The server puts the first token in front itself, so it is left out here. */
  #templated(request: BenchRequest): BenchRequest {
    if (typeof request.prompt !== "string") return request;
    const rendered = this.#render(request.prompt);
    const { bosId } = this.#tokenizer;
    const bos = bosId === null ? "" : this.#tokenizer.decode([bosId], { skipSpecialTokens: false });
    const prompt = bos !== "" && rendered.startsWith(bos) ? rendered.slice(bos.length) : rendered;
    return { ...request, prompt, promptLen: this.#tokenizer.encode(prompt).length };
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
