import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  cleanUpSpaces,
  decode,
  Detokenizer,
  unfinishedLength,
} from "../../src/tokenizer/detokenizer.ts";
import { loadTokenBytes } from "../../src/tokenizer/source.ts";
import { tokenFlag, type TokenBytes } from "../../src/tokenizer/tokenizer.ts";

const llama = loadTokenBytes({ asset: "llama3_1.tokenizer" });
/** One id a byte, so that every cut of UTF-8 occurs. */
const everyByte: TokenBytes = {
  data: Uint8Array.from({ length: 256 }, (_, i) => i),
  offsets: Uint32Array.from({ length: 257 }, (_, i) => i),
  flags: new Uint8Array(256).fill(tokenFlag.piece),
  stripsLeadingSpace: false,
};

function utf8(bytes: readonly number[]): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

function streamed(bytes: TokenBytes, ids: readonly number[], skipSpecialTokens: boolean): string[] {
  const detokenizer = new Detokenizer(bytes, { skipSpecialTokens });
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
}

/** Bytes that are often nearly UTF-8. */
const bytes = fc
  .array(
    fc.oneof(
      fc
        .string({ unit: "binary", minLength: 1, maxLength: 3 })
        .map((s) => Array.from(new TextEncoder().encode(s))),
      fc.integer({ min: 0x80, max: 0xff }).map((b) => [b]),
      fc.constantFrom(
        [0xe0, 0x80],
        [0xed, 0xa0, 0x80],
        [0xf0, 0x8f],
        [0xf4, 0x90],
        [0xf0, 0x9f, 0x98],
        [0xef, 0xbb, 0xbf],
      ),
    ),
  )
  .map((parts) => parts.flat());

describe("the pieces of a stream", () => {
  test("together are the whole, whatever the bytes", () => {
    fc.assert(
      fc.property(bytes, (ids) => {
        expect(streamed(everyByte, ids, true).join("")).toBe(utf8(ids));
      }),
      { numRuns: 2000 },
    );
  });

  test("never hold a part of a character that is whole in the end", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const wellFormed = text.toWellFormed();
        const pieces = streamed(everyByte, [...new TextEncoder().encode(wellFormed)], true);
        expect(pieces.filter((piece) => piece !== "")).toEqual([...wellFormed]);
      }),
    );
  });

  test("together are the decoded sequence, for random ids of Llama 3.1", () => {
    const id = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 0, max: llama.flags.length }),
    );
    fc.assert(
      fc.property(fc.array(id), fc.boolean(), (ids, skipSpecialTokens) => {
        const kept = ids.filter(
          (i) =>
            i < llama.flags.length && !(skipSpecialTokens && llama.flags[i]! & tokenFlag.special),
        );
        const all = kept.flatMap((i) =>
          Array.from(llama.data.subarray(llama.offsets[i], llama.offsets[i + 1])),
        );
        expect(streamed(llama, ids, skipSpecialTokens).join("")).toBe(utf8(all));
        expect(decode(llama, ids, { skipSpecialTokens })).toBe(utf8(all));
      }),
      { numRuns: 500 },
    );
  });

  test("begin anew after flush", () => {
    const detokenizer = new Detokenizer(everyByte);
    expect([
      detokenizer.push(0xc3),
      detokenizer.flush(),
      detokenizer.push(0xa9),
      detokenizer.flush(),
    ]).toEqual(["", "\ufffd", "\ufffd", ""]);
  });
});

describe("byte tokens of SentencePiece", () => {
  // Ids 0-255 are byte tokens, 256 is " x".
  const pieces: TokenBytes = {
    data: Uint8Array.from([...everyByte.data, 0x20, 0x78]),
    offsets: Uint32Array.from([...everyByte.offsets, 258]),
    flags: Uint8Array.from([
      ...Array.from({ length: 256 }, () => tokenFlag.byteFallback),
      tokenFlag.piece,
    ]),
    stripsLeadingSpace: true,
  };
  test("are one text when valid as a whole", () => {
    expect(decode(pieces, [256, 0xc3, 0xa9, 0xc3, 0xa9, 256])).toBe("xéé x");
  });
  test("are a U+FFFD each when not", () => {
    expect(decode(pieces, [0xc3, 0xa9, 0xc3, 256])).toBe("\ufffd\ufffd\ufffd x");
    expect(decode(pieces, [256, 0xf0, 0x9f])).toBe("x\ufffd\ufffd");
  });
  test("only the first space goes", () => {
    expect(decode(pieces, [0x20, 0x20, 256])).toBe("  x");
    expect(streamed(pieces, [256, 256], true)).toEqual(["x", " x", ""]);
  });
  test("the space stays where the ids go on from a prompt", () => {
    const continuation = new Detokenizer(pieces, { continues: true });
    const text = () => continuation.push(256) + continuation.push(256) + continuation.flush();
    expect([text(), text()]).toEqual([" x x", " x x"]);
  });
});

test("unfinishedLength tells a start from what cannot go on", () => {
  const cases: [number[], number][] = [
    [[], 0],
    [[0x41], 0],
    [[0xc3], 1],
    [[0xc1], 0],
    [[0xe2], 1],
    [[0xe2, 0x82], 2],
    [[0xe2, 0x82, 0xac], 0],
    [[0xf0, 0x9f, 0x98], 3],
    [[0xf0, 0x8f], 0],
    [[0xf4, 0x90], 0],
    [[0xf5], 0],
    [[0xed, 0xa0], 0],
    [[0xe0, 0x9f], 0],
    [[0x80, 0x80, 0x80], 0],
    [[0xc3, 0x28], 0],
    [[0x80], 0],
  ];
  for (const [of, expected] of cases) expect([of, unfinishedLength(of)]).toEqual([of, expected]);
});

test("clean-up is that of transformers 4", () => {
  expect(cleanUpSpaces("Hi , there . Isn 't it n't 's 'm 've 're ! ? a ' b")).toBe(
    "Hi, there. Isn 't itn't's'm've're!? a'b",
  );
});
