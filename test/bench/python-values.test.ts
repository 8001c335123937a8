/** Proves that numbers, strings and JSON come out as Python prints them. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  fixed2,
  float,
  floatRepr,
  jsonDumps,
  parseJson,
  repr,
} from "../../src/bench/python-values.ts";
import golden from "../fixtures/bench/python.json" with { type: "json" };

const fromBits = (hex: string): number => Buffer.from(hex, "hex").readDoubleBE();

test("floats: repr and two decimals", () => {
  for (const [bits, shortest, rounded] of golden.floats as [string, string, string | null][]) {
    expect(floatRepr(fromBits(bits))).toBe(shortest);
    if (rounded !== null) expect(fixed2(fromBits(bits))).toBe(rounded);
  }
});

test("floats read back as themselves", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (x) =>
      Object.is(Number(floatRepr(x).replace("inf", "Infinity")), x),
    ),
  );
});

test.each(golden.texts)("text $json", ({ text, json, repr: shown }) => {
  expect(jsonDumps(text)).toBe(json);
  if (/^[ -~\t\n\r]*$/.test(text)) expect(repr(text)).toBe(shown);
});

describe("JSON", () => {
  test("is written with Python's separators and bare constants", () => {
    const value = {
      a: [1, float(2), null, true],
      b: { c: float(Infinity), d: float(NaN) },
      e: [],
      f: {},
    };
    expect(jsonDumps(value)).toBe(
      '{"a": [1, 2.0, null, true], "b": {"c": Infinity, "d": NaN}, "e": [], "f": {}}',
    );
  });

  test("any JSON value survives writing and reading", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as never;
        expect(JSON.parse(jsonDumps(plain))).toEqual(plain);
      }),
    );
  });

  test("bare NaN and Infinity are read, strings that hold them are kept", () => {
    expect(parseJson('{"a": NaN, "b": [-Infinity, "NaN, \\"Infinity"]}')).toEqual({
      a: null,
      b: [null, 'NaN, "Infinity'],
    });
    expect(() => parseJson("NaNo")).toThrow();
  });
});
