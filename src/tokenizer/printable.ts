import { tokenFlag, type TokenBytes } from "./tokenizer.ts";

/** Something to see, after a space or not. U+FFFD is a symbol, but stands for what could not be read. */
const printable = /^ ?[[\p{L}\p{N}\p{P}\p{S}]--[\u{fffd}]]+$/v;

/**
 * Ids whose text is visible by itself: whole characters, no control or special ones. A model without meaning
 * (dummy weights) that draws from these yields text with every token. Ascending; takes some 50 ms.
 */
export function printableIds({ data, offsets, flags }: TokenBytes): Int32Array {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const ids: number[] = [];
  for (let id = 0; id < flags.length; id++) {
    if (flags[id] !== tokenFlag.piece) continue;
    if (printable.test(decoder.decode(data.subarray(offsets[id], offsets[id + 1])))) ids.push(id);
  }
  return Int32Array.from(ids);
}
