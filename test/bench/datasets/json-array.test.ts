/** Proves that a file cut off anywhere gives the whole elements before the cut, and where it was cut. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readJsonArray } from "../../../src/bench/datasets/json-array.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "json-array-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(content: string | Uint8Array) {
  const path = join(folder, "file.json");
  writeFileSync(path, content);
  return readJsonArray(path, (item) => item);
}

describe("readJsonArray", () => {
  test("reads a whole file", () => {
    expect(read('[{"a": [1, "]"]}, 2]')).toEqual({ items: [{ a: [1, "]"] }, 2], truncation: null });
  });

  test("tells where a cut file ends", () => {
    const file = '[\n  {"a": "é]"},\n  {"b": "\\"}';
    expect(read(file)).toEqual({
      items: [{ a: "é]" }],
      truncation: { bytes: 30, line: 3, byte: 20 },
    });
  });

  test("any cut of any array of objects and arrays keeps exactly the whole elements", () => {
    const element = fc.oneof(
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
      fc.array(fc.jsonValue()),
    );
    fc.assert(
      fc.property(fc.array(element, { minLength: 1 }), fc.nat(), fc.nat(2), (items, at, indent) => {
        const whole = Buffer.from(JSON.stringify(items, null, indent));
        const cut = 1 + (at % (whole.length - 1)); // at least the bracket stays, at least one byte goes
        const ends = items.map((_, i) => {
          const text = JSON.stringify(items.slice(0, i + 1), null, indent);
          return Buffer.byteLength(indent ? text.slice(0, -2) : text.slice(0, -1));
        });
        const kept = ends.filter((end) => end <= cut).length;
        const { items: got, truncation } = read(whole.subarray(0, cut));
        expect(JSON.stringify(got)).toBe(JSON.stringify(items.slice(0, kept)));
        expect(truncation?.bytes).toBe(cut);
      }),
    );
  });

  test.each([
    '{"a": 1}',
    "3",
    "nonsense",
    '[{"a": 1}]]',
    '[{"a": oops}, {"b": 2}',
    "",
    "[1 2]",
    "[1,]",
    "[,1]",
    "[{}}]",
  ])("refuses %p", (content) => {
    expect(() => read(content)).toThrow(join(folder, "file.json"));
  });
});
