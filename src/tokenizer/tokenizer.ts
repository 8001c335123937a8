/** What the program needs of a tokenizer. */
export interface EncodeOptions {
  /** Adds what the tokenizer's post-processor adds (BOS for Llama 3). Default true. */
  readonly addSpecialTokens?: boolean;
}
export interface DecodeOptions {
  /** Leaves out special tokens. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** transformers 4's clean-up of spaces before punctuation (`clean_up_tokenization_spaces`). Default false. */
  readonly cleanUp?: boolean;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** Where the files of a tokenizer are: packed into the executable, or a Hugging Face folder. */
export type TokenizerSource = (
  { readonly asset: "llama3_1.tokenizer" } | { readonly folder: string }
) & {
  /** A Jinja template that stands over that of the files. */
  readonly chatTemplate?: string;
};

/**
 * Text to ids and back, equal to Hugging Face's tokenizers on any text. Special-token text in the input
 * becomes the special id, as there. A lone surrogate, which Python refuses, is read as U+FFFD.
 */
export interface Tokenizer extends TokenizerFacts {
  readonly bytes: TokenBytes;
  /** Whether transformers 4 cleans up what this tokenizer decodes (true unless its configuration says no). */
  readonly cleansUp: boolean;
  encode(text: string, options?: EncodeOptions): number[];
  /** Ids that the tokenizer does not have are left out, as in Hugging Face's. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** Renders the conversation as a prompt. Throws an Error with the template's own message when it refuses. */
  applyChatTemplate(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string;
}

/** What can be known of a tokenizer without running it. */
export interface TokenizerFacts {
  /** All ids: of the model and added ones. */
  readonly vocabSize: number;
  /** Ids of the model alone, without added tokens: `vocab_size` in transformers. */
  readonly baseVocabSize: number;
  readonly bosId: number | null;
  /** Ids that end a generation: `eos_token`, and Llama 3.1's <|eom_id|> (a tool is to be called). */
  readonly eosIds: readonly number[];
  readonly hasChatTemplate: boolean;
}

/** The bytes that each id stands for, in one flat array: id i is `data[offsets[i] .. offsets[i + 1])`. */
export interface TokenBytes {
  readonly data: Uint8Array;
  /** length vocabSize + 1 */
  readonly offsets: Uint32Array;
  /** What is to be known of each id, a sum of `tokenFlag`; length vocabSize. */
  readonly flags: Uint8Array;
  /** Decoded text loses one space at its start (SentencePiece's dummy prefix). */
  readonly stripsLeadingSpace: boolean;
}

export const tokenFlag = {
  /** Left out by `skipSpecialTokens`. */
  special: 1,
  /** A piece of the model's vocabulary that text can become, as opposed to added and byte tokens. */
  piece: 2,
  /** A SentencePiece byte token such as <0x0A>: a run of them is text only if it is valid UTF-8 as a whole. */
  byteFallback: 4,
} as const;
