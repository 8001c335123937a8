/** Proves that a response reads the same however its bytes are cut, and that bad ones are refused. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { HttpFormatError, ResponseReader, postBytes } from "../../../src/bench/transport/http.ts";

interface Seen {
  status: number;
  reason: string;
  body: string;
  done: boolean;
  whole: boolean;
}

/** Feeds `text` (latin-1) in pieces of the given sizes, then closes. */
function read(text: string, sizes: readonly number[] = [text.length]): Seen {
  const seen: Seen = { status: 0, reason: "", body: "", done: false, whole: false };
  const reader = new ResponseReader({
    head: (status, reason) => Object.assign(seen, { status, reason }),
    body: (bytes) => (seen.body += Buffer.from(bytes).toString("latin1")),
  });
  const bytes = Buffer.from(text, "latin1");
  for (let from = 0, i = 0; from < bytes.length; i++) {
    const to = from + Math.max(1, sizes[i % sizes.length]!);
    reader.feed(bytes.subarray(from, to));
    from = to;
  }
  seen.done = reader.done;
  seen.whole = reader.close();
  return seen;
}

const chunked = (...chunks: string[]): string =>
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
  chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");

describe("ResponseReader", () => {
  test.each([
    ["counted", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcX", { body: "abc", done: true }],
    [
      "counted, empty",
      "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
      { body: "", done: true, reason: "" },
    ],
    [
      "counted, short",
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
      { body: "abc", whole: false },
    ],
    ["ended by close", "HTTP/1.0 200 OK\r\n\r\nabc", { body: "abc", done: false, whole: true }],
    ["chunked", `${chunked("abc", "defg")}0\r\n\r\n`, { body: "abcdefg", done: true }],
    ["chunked, short", chunked("abc"), { body: "abc", whole: false }],
    [
      "chunked, extension and trailer",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nx: y\r\n\r\n",
      { body: "hi", done: true },
    ],
    ["bare newlines", "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", { body: "hi", done: true }],
    [
      "interim first",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\na: b\r\n\r\nHTTP/1.1 503 Not now\r\ncontent-length: 1\r\n\r\nx",
      { status: 503, reason: "Not now", body: "x", done: true },
    ],
    ["without content", "HTTP/1.1 204 No Content\r\n\r\n", { status: 204, done: true }],
    ["cut in the head", "HTTP/1.1 200 OK\r\ncont", { whole: false }],
  ])("%s", (_, text, expected) => {
    expect(read(text)).toMatchObject(expected);
    expect(read(text, [1])).toEqual(read(text));
  });

  test("any cuts of any chunks give the same", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary-ascii", minLength: 1 })),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (chunks, sizes) => {
          const text = `${chunked(...chunks)}0\r\n\r\n`;
          expect(read(text, sizes)).toEqual(read(text));
          expect(read(text, sizes)).toMatchObject({ body: chunks.join(""), done: true });
        },
      ),
    );
  });

  test.each([
    ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n"],
    ["a field without colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"],
    ["a bad length", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"],
    ["a bad chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"],
    ["an endless head", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(60_000)}`],
  ])("refuses %s", (_, text) => {
    expect(() => read(text)).toThrow(HttpFormatError);
  });

  test("no bytes make it throw anything else", () => {
    const piece = fc.constantFrom(
      "HTTP/1.1 200 OK",
      "\r\n",
      "\r\n\r\n",
      "content-length: 4",
      "5\r\n",
      ":",
      "0",
    );
    const text = fc.array(fc.oneof(piece, fc.string())).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(text, (bytes) => {
        try {
          read(bytes, [3]);
        } catch (error) {
          expect(error).toBeInstanceOf(HttpFormatError);
        }
      }),
    );
  });
});

test("postBytes counts bytes, not characters", () => {
  const bytes = postBytes("h:1", "/v1/x", [["A", "b"]], "é");
  expect(Buffer.from(bytes).toString()).toBe(
    "POST /v1/x HTTP/1.1\r\nHost: h:1\r\nA: b\r\nContent-Length: 2\r\n\r\né",
  );
});
