/**
 * A tokenizer from Hugging Face files. @huggingface/transformers renders chat templates. Normalizing, cutting text
 * into words and byte-pair encoding are done here: the library's differ from Hugging Face's Rust tokenizers on rare
 * text (its sets of digits and white space are JavaScript's) and take a JSON of 9 MB to open.
 */
import { AddedTokens } from "./added_tokens.ts";
import { Bpe } from "./bpe.ts";
import { decode } from "./detokenizer.ts";
import type { TokenizerFiles } from "./files.ts";
import { normalizer, type Normalize } from "./normalize.ts";
import { preTokenizer } from "./pretokenize.ts";
import { disguiseSpaces, revealSpaces } from "./python_space.ts";
import { readTokenizerFiles } from "./source.ts";
import type {
  ChatMessage,
  DecodeOptions,
  EncodeOptions,
  TokenBytes,
  Tokenizer,
  TokenizerSource,
} from "./tokenizer.ts";
import { PreTrainedTokenizer } from "./transformers.js";
import {
  type AddedTokenJson,
  flattenStages,
  isByteLevel,
  type StageJson,
  type TokenizerJson,
} from "./vocabulary.ts";

/** Throws an Error that names the file and what is wrong with it. */
export function loadTokenizer(source: TokenizerSource): HuggingFaceTokenizer {
  const files = readTokenizerFiles(source);
  try {
    const tokenizer = new HuggingFaceTokenizer(files);
    if (source.chatTemplate !== undefined) checkChatTemplate(tokenizer);
    return tokenizer;
  } catch (error) {
    const name = "asset" in source ? source.asset : source.folder;
    throw new Error(`tokenizer of ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** A template that was given by hand had better fail now than with every request. */
function checkChatTemplate(tokenizer: Tokenizer): void {
  try {
    tokenizer.applyChatTemplate([{ role: "user", content: "Hello" }], true);
  } catch (error) {
    const message = (error as Error).message;
    throw new Error(`the given chat template fails on a message of a user: ${message}`, {
      cause: error,
    });
  }
}

/** Words of a step: about a millisecond where none of them is known yet. */
const wordsPerStep = 512;
/** Words longer than this many UTF-16 units have steps of their own. */
const longWord = 4096;

export class HuggingFaceTokenizer implements Tokenizer {
  readonly bytes: TokenBytes;
  readonly cleansUp: boolean;
  readonly vocabSize: number;
  readonly baseVocabSize: number;
  readonly bosId: number | null;
  readonly eosIds: readonly number[];
  readonly hasChatTemplate: boolean;
  private readonly library: PreTrainedTokenizer;
  private readonly normalize: Normalize | null;
  private readonly cut: ReturnType<typeof preTokenizer>;
  private readonly addedTokens: AddedTokens;
  private readonly addedNormalizedTokens: AddedTokens;
  private readonly bpe: Bpe;
  private readonly frame: Frame;

  constructor({ json, config, vocabulary }: TokenizerFiles) {
    this.bytes = vocabulary.bytes;
    this.cleansUp = config["clean_up_tokenization_spaces"] === true;
    this.vocabSize = vocabulary.bytes.flags.length;
    this.baseVocabSize = vocabulary.baseVocabSize;
    this.library = new PreTrainedTokenizer(libraryJson(json), config);
    this.normalize = normalizer(json.normalizer);
    this.cut = preTokenizer(json.pre_tokenizer);
    this.addedTokens = new AddedTokens(json.added_tokens.filter((t) => !isNormalized(t)));
    this.addedNormalizedTokens = new AddedTokens(json.added_tokens.filter(isNormalized), (t) =>
      this.normalize ? this.normalize(t.content) : t.content,
    );
    this.bpe = new Bpe(vocabulary, json, isByteLevel(json));
    this.frame = frameOf(json.post_processor);
    const idOf = (content: unknown) =>
      typeof content === "string"
        ? (json.added_tokens.find((t) => t.content === content)?.id ?? this.bpe.idOf(content))
        : null;
    this.bosId = idOf(config.bos_token);
    const eomId = json.added_tokens.find((t) => t.content === "<|eom_id|>")?.id ?? null;
    this.eosIds = [idOf(config.eos_token), eomId].filter((id) => id !== null);
    this.hasChatTemplate = Boolean(config.chat_template);
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const steps = this.encodeInSteps(text, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  /** As `encode`, in steps of about a millisecond, for a thread that has others to serve between them. */
  *encodeInSteps(
    text: string,
    { addSpecialTokens = true }: EncodeOptions = {},
  ): Generator<void, number[]> {
    const ids: number[] = addSpecialTokens ? [...this.frame.prefix] : [];
    let first = true;
    let sinceStep = 0;
    for (const section of this.addedTokens.split(text.toWellFormed())) {
      if (typeof section === "number") ids.push(section);
      else yield* this.encodeSection(section, first, ids);
      first = false;
      if (++sinceStep % wordsPerStep === 0) yield;
    }
    if (addSpecialTokens) ids.push(...this.frame.suffix);
    return ids;
  }

  private *encodeSection(text: string, first: boolean, ids: number[]): Generator<void> {
    const normalized = this.normalize ? this.normalize(text) : text;
    let atStart = first;
    let sinceStep = 0;
    for (const section of this.addedNormalizedTokens.split(normalized)) {
      if (typeof section === "number") {
        ids.push(section);
        if (++sinceStep % wordsPerStep === 0) yield;
      } else {
        for (const word of this.cut(section, atStart)) {
          if (word.length > longWord) yield* this.bpe.encodeLong(word, ids);
          else this.bpe.encode(word, ids);
          if (++sinceStep % wordsPerStep === 0) yield;
        }
      }
      atStart = false;
    }
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    return decode(this.bytes, ids, options);
  }

  applyChatTemplate(messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
    const conversation = messages.map((m) => ({ ...m, content: disguiseSpaces(m.content) }));
    const prompt = this.library.apply_chat_template(conversation, {
      tokenize: false,
      add_generation_prompt: addGenerationPrompt,
    });
    return revealSpaces(prompt);
  }
}

/** Looked for in normalized text. */
function isNormalized({ normalized, special }: AddedTokenJson): boolean {
  return normalized ?? !special;
}

/** What the library needs to know: it gets no vocabulary, and no stage. */
function libraryJson(json: TokenizerJson): object {
  return { ...json, normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
}

/** Ids that the post-processor puts before and after a single text. */
interface Frame {
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
}

function frameOf(postProcessor: StageJson | null): Frame {
  return flattenStages(postProcessor).reduce<Frame>(
    (frame, stage) => {
      const { prefix, suffix } = stageFrame(stage);
      return { prefix: [...prefix, ...frame.prefix], suffix: [...frame.suffix, ...suffix] };
    },
    { prefix: [], suffix: [] },
  );
}

interface TemplateItem {
  readonly SpecialToken?: { readonly id: string };
  readonly Sequence?: { readonly id: string };
}

function stageFrame(stage: StageJson): Frame {
  switch (stage.type) {
    case "ByteLevel":
      return { prefix: [], suffix: [] };
    case "BertProcessing":
    case "RobertaProcessing": {
      const [cls, sep] = [stage["cls"], stage["sep"]] as [[string, number], [string, number]];
      return { prefix: [cls[1]], suffix: [sep[1]] };
    }
    case "TemplateProcessing": {
      const items = stage["single"] as readonly TemplateItem[];
      const tokens = stage["special_tokens"] as Record<string, { ids: number[] }>;
      const text = items.findIndex((item) => item.Sequence);
      const idsOf = (part: readonly TemplateItem[]) =>
        part.flatMap((item) => (item.SpecialToken ? tokens[item.SpecialToken.id]!.ids : []));
      return { prefix: idsOf(items.slice(0, text)), suffix: idsOf(items.slice(text + 1)) };
    }
    default:
      throw new Error(`post-processor ${stage.type} is not supported`);
  }
}
