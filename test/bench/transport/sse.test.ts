/** Proves that lines survive every cut, and that only data and bodies are taken for content. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { LineSplitter, readLine } from "../../../src/bench/transport/sse.ts";

function lines(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const seen: string[] = [];
  const splitter = new LineSplitter((line) => seen.push(line));
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    // A copy that is overwritten afterwards: the splitter must not keep what it was lent.
    const lent = Uint8Array.from(bytes.subarray(from, end));
    splitter.feed(lent);
    lent.fill(0x58);
    from = end;
  }
  splitter.end();
  return seen;
}

test("lines are trimmed, blank ones left out, the last one needs no end", () => {
  const text = "data: a\r\n\r\n\n  \ndata:b\n: ping\nlast é漢😀";
  expect(lines(Buffer.from(text), [])).toEqual(["data: a", "data:b", ": ping", "last é漢😀"]);
});

test("any text cut anywhere gives the same lines", () => {
  const text = fc.array(
    fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("\n", "\r\n", "data: ")),
  );
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (pieces, cuts) => {
      const whole = pieces.join("");
      const expected = whole.split("\n").map((line) => line.trim());
      expect(lines(Buffer.from(whole), cuts)).toEqual(expected.filter((line) => line !== ""));
    }),
  );
});

test.each([
  ["data: x", { payload: "x", isEvent: true }],
  ["data:x", { payload: "x", isEvent: true }],
  ["data:", { payload: "", isEvent: true }],
  [": comment", null],
  ["event: message", null],
  ["id: 1", null],
  ["retry: 10", null],
  ['{"id": 1}', { payload: '{"id": 1}', isEvent: false }],
])("line '%s'", (line, meaning) => {
  expect(readLine(line)).toEqual(meaning);
});
