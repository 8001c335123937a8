/** Stop patterns end a text with the piece that completes a match. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { patternReach, StopPatterns } from "../../src/server/stop-patterns.ts";

const patterns = (...texts: string[]) =>
  texts.map((text) => ({ text, regex: new RegExp(text, "g") }));

/** Index of the piece that completes a match, and the pattern. */
function run(texts: readonly string[], pieces: readonly string[]) {
  const stops = new StopPatterns(patterns(...texts));
  for (const [index, piece] of pieces.entries()) {
    const matched = stops.push(piece);
    if (matched !== null) return { index, matched };
  }
  return null;
}

test("a match across pieces, as the request wrote the pattern", () => {
  expect(run(["a/b\\s*c"], ["xa", "/b", " ", " c"])).toEqual({ index: 3, matched: "a/b\\s*c" });
  expect(run(["^b"], ["a", "b"])).toBeNull();
  expect(run(["(?<=a)b"], ["a", "b"])).toEqual({ index: 1, matched: "(?<=a)b" });
});

test("the first listed wins; a piece without text is not searched", () => {
  expect(run(["c", "b"], ["abc"])!.matched).toBe("c");
  expect(run(["x*"], ["", "", "a"])).toEqual({ index: 2, matched: "x*" });
});

test("a match must begin within reach of the newest piece", () => {
  expect(run(["a[^]*b"], ["a", "-".repeat(patternReach - 1), "b"])).not.toBeNull();
  expect(run(["a[^]*b"], ["a", "-".repeat(patternReach), "b"])).toBeNull();
});

test("any pieces: as a search in the whole text after each", () => {
  const texts = ["ab+a", "b{3}", "^a\\n", "[^a]\\n$"];
  const piece = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 4 });
  const seen = { matched: 0, unmatched: 0 };
  fc.assert(
    fc.property(fc.subarray(texts), fc.array(piece, { maxLength: 8 }), (some, pieces) => {
      let whole = "";
      let expected: ReturnType<typeof run> = null;
      for (const [index, next] of pieces.entries()) {
        whole += next;
        const matched = some.find((text) => new RegExp(text).test(whole));
        if (next === "" || matched === undefined) continue;
        expected = { index, matched };
        break;
      }
      seen[expected ? "matched" : "unmatched"]++;
      expect(run(some, pieces)).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(seen.matched, seen.unmatched)).toBeGreaterThan(100);
});

test("searches that take longer than they may are given up", () => {
  const stops = new StopPatterns(patterns("(a+)+c"), 1);
  expect(stops.push("a".repeat(40))).toBeNull();
  expect(stops.isExhausted).toBe(true);
  expect(stops.push("c")).toBeNull();
});
