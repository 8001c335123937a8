/** Proves how lines are read: as a shell reads its words, and any text as words or as a mistake with its place. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { homedir } from "node:os";
import { GrammarError, isIncomplete, parseLine, quoted, scan } from "../../src/repl/grammar.ts";

const words = (text: string): readonly string[] => parseLine(text).words;

test.each([
  ["a  b\tc", ["a", "b", "c"]],
  [`a 'b  c' "d e"`, ["a", "b  c", "d e"]],
  [`x'y'"z"`, ["xyz"]],
  [`"a\\"b\\\\c\\d"`, [`a"b\\c\\d`]],
  [`'a\\b'`, ["a\\b"]],
  ["a\\ b", ["a b"]],
  ["a \\\n b", ["a", "b"]],
  ["a\\\nb", ["ab"]],
  ["'a\nb'", ["a\nb"]],
  ["''", [""]],
  ["a # b 'c", ["a"]],
  ["a#b", ["a#b"]],
  ["a '|' \\; b|c", ["a", "|", ";", "b|c"]],
  ["", []],
  ["~/a '~/a' x~/a", [`${homedir()}/a`, "~/a", "x~/a"]],
])("%j is %j", (text, expected) => {
  expect(words(text)).toEqual(expected);
});

test("& at the end is the background, and quoted a word", () => {
  expect(parseLine("bench --x 1 &")).toMatchObject({
    words: ["bench", "--x", "1"],
    background: true,
  });
  expect(parseLine("bench & # later")).toMatchObject({ words: ["bench"], background: true });
  expect(parseLine("bench '&'")).toMatchObject({ words: ["bench", "&"], background: false });
});

test("! is the shell's, to the end of its line", () => {
  expect(parseLine(" !ls | wc 'a\nnext")).toMatchObject({ shell: "ls | wc 'a", next: 13 });
  expect(parseLine("!a \\\nb")).toMatchObject({ shell: "a \\\nb" });
});

test.each([
  ["a | b", 2, /'\|' is the shell's/],
  ["a > b", 2, /'>' is the shell's/],
  ["a & b", 2, /belongs to the end/],
  ["&", 0, /follows a command/],
  ["  !", 2, /needs a line/],
  ["a 'b", 2, /the quote ' has no end/],
  ['a "b', 2, /the quote " has no end/],
  ["a \\", 2, /nothing follows the backslash/],
  ["a \x1b[A", 2, /a control character \(0x1b\)/],
])("%j is a mistake at %d", (text, at, says) => {
  const mistake = (() => {
    try {
      parseLine(text);
    } catch (error) {
      return error as GrammarError;
    }
    return null;
  })();
  expect(mistake).toBeInstanceOf(GrammarError);
  expect(mistake!.at).toBe(at);
  expect(mistake!.message).toMatch(says);
  expect(mistake!.message).toStartWith(`column ${at + 1}: `);
});

test("Enter goes on where a quote is open or a backslash ends the line", () => {
  for (const text of ["a 'b", 'a "b', "a \\", "a\nb 'c", "!a \\"])
    expect(isIncomplete(text)).toBe(true);
  for (const text of ["", "a", "a 'b'", "a | 'b", "# it's", "!it's"])
    expect(isIncomplete(text)).toBe(false);
});

const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(..."ab '\"\\\n#!&|~/\t\r\x00é"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 40,
});

describe("of any text", () => {
  test("each command is words with their places, or a GrammarError within the text", () => {
    fc.assert(
      fc.property(text, (source) => {
        for (let from = 0; from < source.length;) {
          let read;
          try {
            read = scan(source, from);
          } catch (error) {
            expect(error).toBeInstanceOf(GrammarError);
            expect((error as GrammarError).at).toBeWithin(from, source.length);
            return;
          }
          expect(read.next).toBeGreaterThan(from);
          let end = from;
          for (const word of read.words) {
            expect(word.start).toBeGreaterThanOrEqual(end);
            expect(word.end).toBeGreaterThan(word.start);
            end = word.end;
          }
          expect(end).toBeLessThanOrEqual(source.length);
          from = read.next;
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("a word in its quotes is read as itself", () => {
    fc.assert(
      fc.property(
        fc.array(text.filter((word) => !/[\x00-\x08\x0b-\x1f\x7f]/.test(word))),
        (list) => {
          expect(words(["x", ...list].map(quoted).join(" "))).toEqual(["x", ...list]);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
