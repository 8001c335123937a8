import { afterAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headerLength, parseHeader, readSafetensorsHeader } from "../../src/hub/safetensors.ts";
import { safetensors } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the reader says about a file with this header (text, or an object) and this many bytes of data. */
function read(header: unknown, dataBytes: number, lengthField?: bigint) {
  const path = join(folder, "x.safetensors");
  writeFileSync(path, safetensors(header, dataBytes, lengthField));
  return readSafetensorsHeader(path);
}
const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({
  dtype,
  shape,
  data_offsets,
});

test("tensors come by offset, counted from the start of the file", () => {
  const header = {
    b: entry("BF16", [2, 3], [4, 16]),
    a: entry("F32", [], [0, 4]),
    __metadata__: { format: "pt" },
    empty: entry("I64", [0, 7], [4, 4]),
  };
  const start = 8 + JSON.stringify(header).length;
  expect(read(header, 16)).toEqual([
    { name: "a", dtype: "F32", shape: [], offset: start, bytes: 4 },
    { name: "empty", dtype: "I64", shape: [0, 7], offset: start + 4, bytes: 0 },
    { name: "b", dtype: "BF16", shape: [2, 3], offset: start + 4, bytes: 12 },
  ]);
});

describe("faults are named", () => {
  const faults: [string, () => unknown, string][] = [
    [
      "empty file",
      () => (writeFileSync(join(folder, "e"), ""), readSafetensorsHeader(join(folder, "e"))),
      "0 bytes, too few",
    ],
    ["header longer than the file", () => read({}, 0, 50n), "does not fit its"],
    ["header over the limit", () => read({}, 0, 1n << 60n), "over the limit"],
    ["header is not JSON", () => read("{nope", 0), "JSON"],
    ["header is a list", () => read([], 0), "no JSON object"],
    ["entry is a number", () => read({ w: 3 }, 0), "w is not described by an object"],
    [
      "unknown dtype",
      () => read({ w: entry("Q4", [2], [0, 1]) }, 1),
      'w has dtype "Q4"; known are',
    ],
    [
      "dtype of Object's prototype",
      () => read({ w: entry("constructor", [2], [0, 1]) }, 1),
      "w has dtype",
    ],
    ["negative size", () => read({ w: entry("F32", [-1], [0, 4]) }, 4), "the shape of w"],
    ["fraction", () => read({ w: entry("F32", [1.5], [0, 6]) }, 6), "the shape of w"],
    ["no offsets", () => read({ w: entry("F32", [1], null) }, 4), "no valid data_offsets"],
    ["offsets reversed", () => read({ w: entry("F32", [0], [4, 0]) }, 4), "no valid data_offsets"],
    ["past the end", () => read({ w: entry("F32", [2], [0, 8]) }, 4), "is it cut short?"],
    [
      "size differs",
      () => read({ w: entry("F32", [2], [0, 4]) }, 8),
      "w has 4 bytes, but F32 [2] takes 8",
    ],
    ["sizes overflow", () => read({ w: entry("F32", [2 ** 40, 2 ** 40], [0, 4]) }, 4), "takes"],
    [
      "overlap",
      () => read({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [3, 7]) }, 7),
      "a and b overlap",
    ],
  ];
  for (const [name, act, message] of faults) {
    test(name, () => {
      expect(act).toThrow(message);
      expect(act).toThrow(folder);
    });
  }
});

describe("fuzz: any header is refused with an Error or lies within the file without overlap", () => {
  let accepted = 0;
  let refused = 0;
  function check(header: Buffer, fileBytes: number): void {
    let tensors;
    try {
      tensors = parseHeader(header, fileBytes);
      accepted++;
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      refused++;
      return;
    }
    let end = 8 + header.length;
    for (const tensor of tensors) {
      expect(tensor.offset).toBeGreaterThanOrEqual(end);
      end = tensor.offset + tensor.bytes;
    }
    expect(end).toBeLessThanOrEqual(fileBytes);
  }

  test("bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(1000), (bytes, n) => check(Buffer.from(bytes), n)),
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.nat(), (bytes, n) => {
        try {
          expect(8 + headerLength(Buffer.from(bytes), n)).toBeLessThanOrEqual(n);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });

  test("nearly right headers", () => {
    const size = fc.integer({ min: -1, max: 5 });
    const offset = fc.oneof(
      fc.integer({ min: -1, max: 40 }),
      fc.constant(2 ** 53),
      fc.constant("0"),
    );
    const tensor = fc.record({
      dtype: fc.constantFrom("U8", "F16", "F32", "X"),
      shape: fc.array(size, { maxLength: 3 }),
      data_offsets: fc.array(offset, { minLength: 2, maxLength: 2 }),
    });
    const right = fc.tuple(fc.nat(20), fc.nat(10)).map(([at, n]) => entry("U8", [n], [at, at + n]));
    const headers = fc.dictionary(
      fc.string(),
      fc.oneof({ weight: 3, arbitrary: right }, tensor, fc.jsonValue()),
      { maxKeys: 4 },
    );
    fc.assert(
      fc.property(headers, fc.nat(60), (header, dataBytes) => {
        const text = Buffer.from(JSON.stringify(header));
        check(text, 8 + text.length + dataBytes);
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  });
});
