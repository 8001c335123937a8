/**
 * A BPE vocabulary as flat tables: what `scripts/pack-tokenizer.ts` writes, and what a tokenizer.json becomes
 * when it is read.
 */
import { tokenFlag, type TokenBytes } from "./tokenizer.ts";

/** The part of tokenizer.json that is read here; the file's own names. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedTokenJson[];
  readonly normalizer: StageJson | null;
  readonly pre_tokenizer: StageJson | null;
  readonly post_processor: StageJson | null;
  readonly decoder: StageJson | null;
  readonly model: {
    readonly type?: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (string | readonly [string, string])[];
    readonly unk_token?: string | null;
    readonly fuse_unk?: boolean;
    readonly byte_fallback?: boolean;
    readonly ignore_merges?: boolean;
    readonly continuing_subword_prefix?: string | null;
    readonly end_of_word_suffix?: string | null;
  };
}
/** A normalizer, pre-tokenizer, post-processor or decoder. */
export interface StageJson {
  readonly type: string;
  readonly [option: string]: unknown;
}
export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
  readonly special?: boolean;
}

export interface Vocabulary {
  readonly bytes: TokenBytes;
  /** Ids below it belong to the model, the others are added. */
  readonly baseVocabSize: number;
  /** Merge i, the more urgent the smaller i, makes `result[i]` of `left[i]` followed by `right[i]`. */
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  readonly result: Uint32Array;
}

/** Stages of a (possibly nested) sequence in order. */
export function flattenStages(stage: StageJson | null): StageJson[] {
  if (stage === null || stage === undefined) return [];
  if (stage.type !== "Sequence") return [stage];
  const inner =
    stage["normalizers"] ?? stage["pretokenizers"] ?? stage["processors"] ?? stage["decoders"];
  return (inner as StageJson[]).flatMap(flattenStages);
}

/** Pieces are written in the byte alphabet of GPT-2, each character standing for a byte. */
export function isByteLevel(json: TokenizerJson): boolean {
  return flattenStages(json.decoder).some((stage) => stage.type === "ByteLevel");
}

/** The mark that stands for a space in pieces of SentencePiece. */
export const spaceMark = "\u2581";

/** GPT-2's alphabet: byte of each of its 256 characters, indexed by UTF-16 unit; -1 elsewhere. Length 324. */
export const byteOfCharacter: Int16Array = (() => {
  const table = new Int16Array(324).fill(-1);
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte !== 173);
    table[printable ? byte : next++] = byte;
  }
  return table;
})();

const encoder = new TextEncoder();

function byteLevelBytes(piece: string): Uint8Array | null {
  const bytes = new Uint8Array(piece.length);
  for (let i = 0; i < piece.length; i++) {
    const byte = byteOfCharacter[piece.charCodeAt(i)] ?? -1;
    if (byte < 0) return null;
    bytes[i] = byte;
  }
  return bytes;
}

const byteToken = /^<0x([0-9A-F]{2})>$/;

/** Bytes and flags of one piece of the model. */
function pieceBytes(piece: string, byteLevel: boolean): [Uint8Array, number] {
  if (byteLevel) {
    const bytes = byteLevelBytes(piece);
    return bytes ? [bytes, tokenFlag.piece] : [encoder.encode(piece), 0];
  }
  const byte = byteToken.exec(piece)?.[1];
  if (byte) return [Uint8Array.of(Number.parseInt(byte, 16)), tokenFlag.byteFallback];
  return [encoder.encode(piece.replaceAll(spaceMark, " ")), tokenFlag.piece];
}

function tokenBytes(json: TokenizerJson, baseVocabSize: number): TokenBytes {
  const byteLevel = isByteLevel(json);
  const vocabSize = json.added_tokens.reduce((n, t) => Math.max(n, t.id + 1), baseVocabSize);
  const parts: Uint8Array[] = Array.from({ length: vocabSize }, () => new Uint8Array(0));
  const flags = new Uint8Array(vocabSize);
  for (const [piece, id] of Object.entries(json.model.vocab)) {
    [parts[id], flags[id]] = pieceBytes(piece, byteLevel) as [Uint8Array, number];
  }
  for (const { id, content, special } of json.added_tokens) {
    if (parts[id]!.length === 0) parts[id] = pieceBytes(content, byteLevel)[0];
    if (special) flags[id]! |= tokenFlag.special;
  }
  const offsets = new Uint32Array(vocabSize + 1);
  parts.forEach((part, id) => (offsets[id + 1] = offsets[id]! + part.length));
  const data = new Uint8Array(offsets[vocabSize]!);
  parts.forEach((part, id) => data.set(part, offsets[id]));
  const stripsLeadingSpace = flattenStages(json.decoder).some((stage) => stage.type === "Strip");
  return { data, offsets, flags, stripsLeadingSpace };
}

function idOfPiece(vocab: ReadonlyMap<string, number>, piece: string): number {
  const id = vocab.get(piece);
  if (id === undefined)
    throw new Error(`merges name ${JSON.stringify(piece)}, which is not in the vocabulary`);
  return id;
}

/** Only what `Detokenizer` does exactly is let through. */
function checkDecoder(json: TokenizerJson): void {
  const stages = flattenStages(json.decoder);
  const unknown = stages.find((stage) => !isKnownDecoder(stage));
  if (unknown) throw new Error(`decoder ${JSON.stringify(unknown)} is not supported`);
  if (stages.length === 0) throw new Error("it has no decoder");
  if (isByteLevel(json) !== flattenStages(json.pre_tokenizer).some((s) => s.type === "ByteLevel")) {
    throw new Error("only one of its pre-tokenizer and decoder is ByteLevel");
  }
}

function isKnownDecoder(stage: StageJson): boolean {
  switch (stage.type) {
    case "Replace":
      return (
        (stage["pattern"] as { String?: string }).String === spaceMark && stage["content"] === " "
      );
    case "Strip":
      return stage["content"] === " " && stage["start"] === 1 && stage["stop"] === 0;
    default:
      return ["ByteLevel", "ByteFallback", "Fuse"].includes(stage.type);
  }
}

/** Throws an Error that says what the file asks for that is not supported. */
export function readVocabulary(json: TokenizerJson): Vocabulary {
  const { model } = json;
  if ((model?.type ?? "BPE") !== "BPE" || !model?.vocab || !Array.isArray(model.merges)) {
    throw new Error(`its model is ${model?.type ?? "missing"}; only BPE is supported`);
  }
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    throw new Error(
      "its BPE marks word parts (continuing_subword_prefix, end_of_word_suffix), which is not supported",
    );
  }
  checkDecoder(json);
  const vocab = new Map(Object.entries(model.vocab));
  const baseVocabSize = vocab.values().reduce((n, id) => Math.max(n, id + 1), 0);
  const count = model.merges.length;
  const [left, right, result] = [
    new Uint32Array(count),
    new Uint32Array(count),
    new Uint32Array(count),
  ];
  model.merges.forEach((merge, i) => {
    const [a, b] = typeof merge === "string" ? merge.split(" ") : merge;
    left[i] = idOfPiece(vocab, a!);
    right[i] = idOfPiece(vocab, b!);
    result[i] = idOfPiece(vocab, a! + b!);
  });
  return { bytes: tokenBytes(json, baseVocabSize), baseVocabSize, left, right, result };
}
