/** Ids to text, all at once or as they come. */
import { tokenFlag, type DecodeOptions, type TokenBytes } from "./tokenizer.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** transformers 4's `clean_up_tokenization`, in its order. */
const cleanUps = [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"] as const;

export function cleanUpSpaces(text: string): string {
  return cleanUps.reduce((clean, found) => clean.replaceAll(found, found.trim()), text);
}

export function decode(
  bytes: TokenBytes,
  ids: ArrayLike<number>,
  options: DecodeOptions = {},
): string {
  const detokenizer = new Detokenizer(bytes, options);
  let text = "";
  for (let i = 0; i < ids.length; i++) text += detokenizer.push(ids[i]!);
  text += detokenizer.flush();
  return options.cleanUp ? cleanUpSpaces(text) : text;
}

/** Text of ids whose bytes are characters by themselves; null for others. Filled as ids come up. */
const textTables = new WeakMap<TokenBytes, (string | null | undefined)[]>();

export interface DetokenizerOptions extends Pick<DecodeOptions, "skipSpecialTokens"> {
  /** The ids go on from others, so a space at the start belongs to the text. Default false. */
  readonly continues?: boolean;
}

/**
 * The text of one stream of ids. `push` answers whole characters only: bytes that may yet become one wait.
 * All answers together are the decoded sequence. After `flush` it is as new.
 */
export class Detokenizer {
  private readonly bytes: TokenBytes;
  private readonly hidden: number;
  private readonly texts: (string | null | undefined)[];
  /** Bytes of a character that is not complete, or of a run of byte tokens. */
  private waiting: number[] = [];
  private inByteRun = false;
  private readonly stripsLeadingSpace: boolean;
  /** The next text is the first, and loses its space. */
  private stripsNext: boolean;

  constructor(
    bytes: TokenBytes,
    { skipSpecialTokens = true, continues = false }: DetokenizerOptions = {},
  ) {
    this.bytes = bytes;
    this.hidden = skipSpecialTokens ? tokenFlag.special : 0;
    this.stripsLeadingSpace = bytes.stripsLeadingSpace && !continues;
    this.stripsNext = this.stripsLeadingSpace;
    let texts = textTables.get(bytes);
    if (!texts) textTables.set(bytes, (texts = Array.from({ length: bytes.flags.length })));
    this.texts = texts;
  }

  push(id: number): string {
    const flags = this.bytes.flags[id];
    if (flags === undefined || flags & this.hidden) return "";
    if (flags & tokenFlag.byteFallback) return this.pushByte(id);
    const before = this.inByteRun ? this.endRun() : "";
    if (this.waiting.length === 0) {
      const text = this.texts[id] === undefined ? this.textOf(id) : this.texts[id];
      if (text !== null) return before + this.strip(text);
    }
    return before + this.strip(this.join(id));
  }

  /** The rest, with U+FFFD for a character that was cut short. */
  flush(): string {
    const text = this.inByteRun ? this.endRun() : this.strip(this.flushWaiting());
    this.stripsNext = this.stripsLeadingSpace;
    return text;
  }

  private textOf(id: number): string | null {
    const { data, offsets } = this.bytes;
    let text: string | null = null;
    try {
      text = strictDecoder.decode(data.subarray(offsets[id], offsets[id + 1]));
    } catch {
      // Not valid UTF-8 by itself: `push` joins it with its neighbours.
    }
    this.texts[id] = text;
    return text;
  }

  private join(id: number): string {
    const { data, offsets } = this.bytes;
    for (let i = offsets[id]!; i < offsets[id + 1]!; i++) this.waiting.push(data[i]!);
    const whole = this.waiting.length - unfinishedLength(this.waiting);
    const text = decoder.decode(Uint8Array.from(this.waiting.slice(0, whole)));
    this.waiting = this.waiting.slice(whole);
    return text;
  }

  private pushByte(id: number): string {
    const before = this.inByteRun ? "" : this.strip(this.flushWaiting());
    this.inByteRun = true;
    this.waiting.push(this.bytes.data[this.bytes.offsets[id]!]!);
    return before;
  }

  private flushWaiting(): string {
    const text = decoder.decode(Uint8Array.from(this.waiting));
    this.waiting = [];
    return text;
  }

  /** A run of byte tokens is its text if that is valid, else one U+FFFD a byte. */
  private endRun(): string {
    const run = Uint8Array.from(this.waiting);
    this.waiting = [];
    this.inByteRun = false;
    try {
      return this.strip(strictDecoder.decode(run));
    } catch {
      return this.strip("\ufffd".repeat(run.length));
    }
  }

  private strip(text: string): string {
    if (!this.stripsNext || text === "") return text;
    this.stripsNext = false;
    return text.startsWith(" ") ? text.slice(1) : text;
  }
}

/** Number of bytes at the end that begin a character which the next bytes may complete: 0 to 3. */
export function unfinishedLength(bytes: ArrayLike<number>): number {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const lead = bytes[bytes.length - length]!;
    if ((lead & 0xc0) === 0x80) continue;
    const needed = lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (lead > 0xf4 || needed <= length) return 0;
    const second = length > 1 ? bytes[bytes.length - length + 1]! : null;
    return second === null || secondFits(lead, second) ? length : 0;
  }
  return 0;
}

/** UTF-8 allows fewer second bytes after some leads: no overlong forms, no surrogates, nothing past U+10FFFF. */
function secondFits(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second <= 0x8f;
  return true;
}
