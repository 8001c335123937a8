/**
 * Byte-pair encoding of one word over flat tables. A word begins as symbols, one a byte (or character), and
 * the most urgent mergeable pair, the leftmost of equals, is merged until none is left. Time is
 * O(n log n) in the length of the word, however repetitive it is.
 */
import { spaceMark, type TokenizerJson, type Vocabulary } from "./vocabulary.ts";
import { tokenFlag } from "./tokenizer.ts";

/** Words up to this many UTF-16 units are worth remembering. */
const longestCachedWord = 64;
const cachedWords = 1 << 16;
/** Up to this many symbols scanning all pairs beats keeping them in a heap. */
const longestScannedWord = 32;
const noMerge = 0xffff_ffff;

export interface BpeOptions {
  readonly byteLevel: boolean;
  /** A word that is a piece is that piece, whether or not merges lead to it. */
  readonly ignoreMerges: boolean;
  readonly byteFallback: boolean;
  readonly fuseUnk: boolean;
}

export class Bpe {
  private readonly options: BpeOptions;
  private readonly pieces: PieceIndex;
  private readonly merges: MergeIndex;
  /** Id of each byte alone (byte-level) or of its fallback token; -1 where there is none. */
  private readonly idOfByte: Int32Array;
  private readonly unkId: number | null;
  private readonly cache = new Map<string, number | readonly number[]>();

  constructor(vocabulary: Vocabulary, json: TokenizerJson, byteLevel: boolean) {
    const { ignore_merges, byte_fallback, unk_token, fuse_unk } = json.model;
    this.pieces = new PieceIndex(vocabulary);
    this.merges = new MergeIndex(vocabulary);
    this.options = {
      byteLevel,
      ignoreMerges: ignore_merges ?? false,
      byteFallback: byte_fallback ?? false,
      fuseUnk: fuse_unk ?? false,
    };
    this.unkId = unk_token ? this.idOf(unk_token) : null;
    this.idOfByte = idsOfBytes(vocabulary, byteLevel ? tokenFlag.piece : tokenFlag.byteFallback);
  }

  /** The id of the piece whose text is `text`, or null. */
  idOf(text: string): number | null {
    const length = this.toBytes(text);
    const id = this.pieces.find(scratch, 0, length);
    return id < 0 ? null : id;
  }

  /** Appends the ids of `word` to `ids`. */
  encode(word: string, ids: number[]): void {
    const known = this.cache.get(word);
    if (known === undefined) this.encodeNew(word, ids);
    else if (typeof known === "number") ids.push(known);
    else for (const id of known) ids.push(id);
  }

  /** As `encode`, in steps: for words so long that merging takes a while. They are not remembered. */
  *encodeLong(word: string, ids: number[]): Generator<void> {
    const length = this.toBytes(word);
    const memory = new WordMemory(length);
    const count = this.split(length, memory.symbols);
    scratch = new Uint8Array(1024); // what it took is not kept
    const merge = new HeapMerge(this.merges, memory, count);
    while (!merge.advance(pairsPerStep)) yield;
    merge.collect(ids);
  }

  private encodeNew(word: string, ids: number[]): void {
    const from = ids.length;
    const length = this.toBytes(word);
    const whole = this.options.ignoreMerges ? this.pieces.find(scratch, 0, length) : -1;
    if (whole >= 0) ids.push(whole);
    else this.merge(length, ids);
    if (word.length > longestCachedWord) return;
    if (this.cache.size >= cachedWords) this.cache.clear();
    // The key is a copy: the word is a slice, which would keep the whole text it was cut from alive.
    const key = this.options.byteLevel
      ? decoder.decode(scratch.subarray(0, length))
      : Buffer.from(word).toString();
    this.cache.set(key, ids.length === from + 1 ? ids[from]! : ids.slice(from));
  }

  /** Writes the bytes of `word` to `scratch` and returns their number. */
  private toBytes(word: string): number {
    const text = this.options.byteLevel ? word : word.replaceAll(spaceMark, " ");
    if (scratch.length < text.length * 3) scratch = new Uint8Array(text.length * 6);
    return encoder.encodeInto(text, scratch).written;
  }

  private merge(length: number, ids: number[]): void {
    if (shared.symbols.length < length) shared = new WordMemory(length * 2);
    const count = this.split(length, shared.symbols);
    if (count <= longestScannedWord) return mergeByScan(this.merges, shared, count, ids);
    const merge = new HeapMerge(this.merges, shared, count);
    merge.advance(Infinity);
    merge.collect(ids);
  }

  /** Writes the symbols of the bytes in `scratch`, at most one for each, and returns their number. */
  private split(length: number, symbols: Int32Array): number {
    return this.options.byteLevel
      ? this.splitBytes(length, symbols)
      : this.splitCharacters(length, symbols);
  }

  /** Symbols of the bytes in `scratch`; a byte without a piece vanishes, as in Hugging Face's. */
  private splitBytes(length: number, symbols: Int32Array): number {
    let count = 0;
    for (let i = 0; i < length; i++) {
      const id = this.idOfByte[scratch[i]!]!;
      if (id >= 0) symbols[count++] = id;
      else if (this.unkId !== null) symbols[count++] = this.unkId;
    }
    return count;
  }

  /** Symbols of the characters in `scratch`: their piece, else their bytes' tokens, else the unknown token. */
  private splitCharacters(length: number, symbols: Int32Array): number {
    const { unkId } = this;
    const { byteFallback, fuseUnk } = this.options;
    let count = 0;
    let pendingUnk = false;
    for (let i = 0, end = 0; i < length; i = end) {
      end = i + 1;
      while (end < length && (scratch[end]! & 0xc0) === 0x80) end++;
      const id = this.pieces.find(scratch, i, end);
      if (id < 0 && byteFallback && this.hasBytes(i, end)) {
        for (let j = i; j < end; j++) symbols[count++] = this.idOfByte[scratch[j]!]!;
        continue;
      }
      // An unknown token is written when the next known piece comes: bytes in between overtake it.
      if (pendingUnk && (id >= 0 || !fuseUnk)) symbols[count++] = unkId!;
      pendingUnk = id < 0 && unkId !== null;
      if (id >= 0) symbols[count++] = id;
    }
    if (pendingUnk) symbols[count++] = unkId!;
    return count;
  }

  private hasBytes(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.idOfByte[scratch[i]!]! < 0) return false;
    return true;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What merging a word takes: its symbols, as a linked list, and the rank of the pair that begins at each. */
class WordMemory {
  readonly symbols: Int32Array;
  readonly ranks: Uint32Array;
  readonly nexts: Int32Array;
  readonly previous: Int32Array;

  constructor(size: number) {
    this.symbols = new Int32Array(size);
    this.ranks = new Uint32Array(size);
    this.nexts = new Int32Array(size);
    this.previous = new Int32Array(size);
  }
}

// For one word at a time, shared by all tokenizers of the thread.
let scratch = new Uint8Array(1024);
let shared = new WordMemory(1024);

/** Merges `symbols[0 .. count)` by looking at all pairs each time. */
function mergeByScan(
  merges: MergeIndex,
  { symbols, ranks }: WordMemory,
  count: number,
  ids: number[],
): void {
  let n = count;
  for (let i = 0; i + 1 < n; i++) ranks[i] = merges.rank(symbols[i]!, symbols[i + 1]!);
  for (;;) {
    let best = noMerge;
    let at = -1;
    for (let i = 0; i + 1 < n; i++) {
      if (ranks[i]! >= best) continue;
      best = ranks[i]!;
      at = i;
    }
    if (at < 0) break;
    symbols[at] = merges.result[best]!;
    symbols.copyWithin(at + 1, at + 2, n);
    ranks.copyWithin(at + 1, at + 2, n - 1);
    n--;
    if (at > 0) ranks[at - 1] = merges.rank(symbols[at - 1]!, symbols[at]!);
    if (at + 1 < n) ranks[at] = merges.rank(symbols[at]!, symbols[at + 1]!);
  }
  for (let i = 0; i < n; i++) ids.push(symbols[i]!);
}

/** Pairs that are looked at in a step of `HeapMerge`: about a millisecond. */
const pairsPerStep = 4096;

/**
 * Merges `symbols[0 .. count)`, a linked list here, by a heap of pairs. `ranks[i]` is the rank of the pair that
 * begins at i; an entry of the heap that no longer agrees with it is out of date.
 */
class HeapMerge {
  private readonly merges: MergeIndex;
  private readonly word: WordMemory;
  private readonly count: number;
  private readonly heap: PairHeap;
  /** Pairs that have been rated; merging begins when all have. */
  private rated = 0;

  constructor(merges: MergeIndex, word: WordMemory, count: number) {
    this.merges = merges;
    this.word = word;
    this.count = count;
    this.heap = new PairHeap(count);
  }

  /** Looks at up to `pairs` pairs; true once nothing is left to merge. */
  advance(pairs: number): boolean {
    const { count, heap } = this;
    let left = pairs;
    for (; this.rated < count && left > 0; left--) this.begin(this.rated++);
    for (; left > 0; left--) {
      if (!heap.pop()) return true;
      this.merge(heap.rank, heap.position);
    }
    return false;
  }

  /** Appends what has become of the symbols. */
  collect(ids: number[]): void {
    const { symbols, nexts } = this.word;
    for (let i = 0; i < this.count; i = nexts[i]!) ids.push(symbols[i]!);
  }

  private begin(position: number): void {
    this.word.nexts[position] = position + 1;
    this.word.previous[position] = position - 1;
    this.rate(position);
  }

  private rate(position: number): void {
    const { symbols, ranks, nexts } = this.word;
    const next = nexts[position]!;
    const rank = next < this.count ? this.merges.rank(symbols[position]!, symbols[next]!) : noMerge;
    ranks[position] = rank;
    if (rank !== noMerge) this.heap.push(rank, position);
  }

  private merge(rank: number, position: number): void {
    const { symbols, ranks, nexts, previous } = this.word;
    if (ranks[position] !== rank) return;
    const gone = nexts[position]!;
    symbols[position] = this.merges.result[rank]!;
    ranks[gone] = noMerge;
    nexts[position] = nexts[gone]!;
    if (nexts[position]! < this.count) previous[nexts[position]!] = position;
    this.rate(position);
    if (previous[position]! >= 0) this.rate(previous[position]!);
  }
}

/** A binary heap of (rank, position), least first; an entry is one double, which is exact up to 2^53. */
class PairHeap {
  rank = 0;
  position = 0;
  private readonly keys: number[] = [];
  private readonly scale: number;

  /** Positions are below `positions`. */
  constructor(positions: number) {
    this.scale = positions;
  }

  push(rank: number, position: number): void {
    const { keys } = this;
    const key = rank * this.scale + position;
    let i = keys.length;
    keys.push(key);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[i] = keys[parent]!;
      i = parent;
    }
    keys[i] = key;
  }

  /** Moves the least entry to `rank` and `position`; false when there is none. */
  pop(): boolean {
    const { keys } = this;
    if (keys.length === 0) return false;
    const least = keys[0]!;
    const last = keys.pop()!;
    if (keys.length > 0) this.sink(last);
    this.rank = Math.floor(least / this.scale);
    this.position = least - this.rank * this.scale;
    return true;
  }

  private sink(key: number): void {
    const { keys } = this;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= keys.length) break;
      if (child + 1 < keys.length && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[i] = keys[child]!;
      i = child;
    }
    keys[i] = key;
  }
}

function idsOfBytes({ bytes, baseVocabSize }: Vocabulary, flag: number): Int32Array {
  const ids = new Int32Array(256).fill(-1);
  for (let id = 0; id < baseVocabSize; id++) {
    const start = bytes.offsets[id]!;
    const length = bytes.offsets[id + 1]! - start;
    if (length === 1 && bytes.flags[id]! & flag) ids[bytes.data[start]!] = id;
  }
  return ids;
}

/** Smallest power of two that is at least twice `count`: a table that is at most half full. */
function tableSize(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(count, 1) * 2));
}

/** Finds the piece with given bytes: open addressing, linear probing. */
class PieceIndex {
  private readonly data: Uint8Array;
  private readonly offsets: Uint32Array;
  /** id + 1; 0 is free. */
  private readonly slots: Int32Array;

  constructor({ bytes, baseVocabSize }: Vocabulary) {
    this.data = bytes.data;
    this.offsets = bytes.offsets;
    this.slots = new Int32Array(tableSize(baseVocabSize));
    const mask = this.slots.length - 1;
    for (let id = 0; id < baseVocabSize; id++) {
      const [start, end] = [bytes.offsets[id]!, bytes.offsets[id + 1]!];
      if (start === end || !(bytes.flags[id]! & tokenFlag.piece)) continue;
      let slot = hashBytes(this.data, start, end) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = id + 1;
    }
  }

  /** The id whose bytes are `bytes[start .. end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.slots.length - 1;
    for (let slot = hashBytes(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const id = this.slots[slot]! - 1;
      if (id < 0 || this.equals(id, bytes, start, end)) return id;
    }
  }

  private equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const offset = this.offsets[id]!;
    if (this.offsets[id + 1]! - offset !== end - start) return false;
    for (let i = start; i < end; i++) if (this.data[offset + i - start] !== bytes[i]) return false;
    return true;
  }
}

/** FNV-1a with a final mix. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}

/** Finds the merge of two ids: open addressing, linear probing. */
class MergeIndex {
  readonly result: Uint32Array;
  private readonly left: Uint32Array;
  private readonly right: Uint32Array;
  /** rank + 1; 0 is free. */
  private readonly slots: Int32Array;

  constructor({ left, right, result }: Vocabulary) {
    this.left = left;
    this.right = right;
    this.result = result;
    this.slots = new Int32Array(tableSize(left.length));
    for (let rank = 0; rank < left.length; rank++) {
      const slot = this.slot(left[rank]!, right[rank]!);
      this.slots[slot] = rank + 1; // of a pair listed twice the last counts, as in Hugging Face's
    }
  }

  /** Rank of merging `left` and `right`, or `noMerge`. */
  rank(left: number, right: number): number {
    const rank = this.slots[this.slot(left, right)]! - 1;
    return rank < 0 ? noMerge : rank;
  }

  private slot(left: number, right: number): number {
    const mask = this.slots.length - 1;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const rank = this.slots[slot]! - 1;
      if (rank < 0 || (this.left[rank] === left && this.right[rank] === right)) return slot;
    }
  }
}
