/** Stop strings are found wherever the text is cut, and nothing is shown that would have to be taken back. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { StopStrings } from "../../src/server/stop-strings.ts";

function run(strings: readonly string[], pieces: readonly string[]) {
  const stops = new StopStrings(strings);
  const shown: string[] = [];
  for (const piece of pieces) {
    shown.push(stops.push(piece));
    if (stops.matched !== null) break;
  }
  return { shown, matched: stops.matched, rest: stops.release() };
}

test("a string across pieces is cut away", () => {
  expect(run(["END"], ["ab", "cE", "N", "Dxy"])).toEqual({
    shown: ["ab", "c", "", ""],
    matched: "END",
    rest: "ENDxy",
  });
});

test("text is held back only while it may become a stop string", () => {
  expect(run(["aab"], ["a", "a", "a", "c"])).toEqual({
    shown: ["", "", "a", "aac"],
    matched: null,
    rest: "",
  });
});

test("what is held at the end belongs to the text", () => {
  expect(run(["\n\n"], ["a\n"])).toEqual({ shown: ["a"], matched: null, rest: "\n" });
});

test("the first listed wins when one piece completes several", () => {
  expect(run(["c", "b"], ["abc"]).matched).toBe("c");
  expect(run(["b", "c"], ["abc"]).matched).toBe("b");
});

test("any strings, any pieces: as a search in the whole text", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), maxLength: 6 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "\n"), minLength: 1, maxLength: 4 });
  const seen = { matched: 0, unmatched: 0 };
  fc.assert(
    fc.property(
      fc.array(stop, { maxLength: 3 }),
      fc.array(text, { maxLength: 8 }),
      (stops, pieces) => {
        const { shown, matched, rest } = run(stops, pieces);
        let whole = "";
        let expected: string | null = null;
        for (const piece of pieces) {
          whole += piece;
          expected = stops.find((s) => whole.includes(s)) ?? null;
          if (expected !== null) break;
        }
        seen[expected === null ? "unmatched" : "matched"]++;
        expect(matched).toBe(expected);
        expect(shown.join("") + rest).toBe(whole);
        if (expected !== null) expect(shown.join("")).toBe(whole.slice(0, whole.indexOf(expected)));
        else expect(stops.some((s) => s.startsWith(rest)) || rest === "").toBe(true);
      },
    ),
    { numRuns: 2000 },
  );
  expect(Math.min(seen.matched, seen.unmatched)).toBeGreaterThan(100);
});
