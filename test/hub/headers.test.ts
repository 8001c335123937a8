/** Headers of the Hub: the forms that it sends, and that no other form throws. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isSameServer } from "../../src/hub/http.ts";
import { askedWaitMs, contentRange, nextPage } from "../../src/hub/headers.ts";

const same = (from: string, to: string) => isSameServer(new URL(from), new URL(to));
const wait = (headers: Record<string, string>) =>
  askedWaitMs(new Headers(headers), Date.UTC(2026, 0, 1));

test("which servers are the same", () => {
  expect(same("https://h/a", "https://h/b")).toBe(true);
  expect(same("http://h/a", "https://h/a")).toBe(true);
  expect(same("https://h/a", "http://h/a")).toBe(false);
  expect(same("http://h:8000/a", "https://h/a")).toBe(false);
  expect(same("http://h/a", "https://h:8443/a")).toBe(false);
  expect(same("https://h/a", "https://cdn.h/a")).toBe(false);
});

test("the next page of a list", () => {
  const next = "https://h/api/models/a/b/tree/main?cursor=x%2C&recursive=true";
  expect(nextPage(`<${next}>; rel="next"`)).toBe(next);
  expect(nextPage(`<https://h/1>; rel="prev", <${next}>; title="a"; rel=next`)).toBe(next);
  for (const other of [
    null,
    "",
    "next",
    `<${next}>; rel="nextest"`,
    `<${next}>`,
    `${next}; rel="next"`,
  ])
    expect(nextPage(other)).toBeNull();
});

test("the range of a partial answer", () => {
  expect(contentRange("bytes 5-9/10")).toEqual({ first: 5, total: 10 });
  for (const other of [
    null,
    "",
    "bytes */10",
    "bytes 5-9/*",
    "bytes 5-10/10",
    "bytes 9-5/10",
    "items 5-9/10",
    "bytes -5-9/10",
  ])
    expect(contentRange(other)).toBeNull();
});

describe("how long to wait", () => {
  test("seconds, a date, or the Hub's own header", () => {
    expect(wait({ "retry-after": " 7 " })).toBe(7000);
    expect(wait({ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" })).toBe(30_000);
    expect(wait({ "retry-after": "Thu, 01 Jan 2025 00:00:30 GMT" })).toBe(0);
    expect(
      wait({ ratelimit: '"api";r=0;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300' }),
    ).toBe(55_000);
    expect(wait({ ratelimit: '"api";r=3;t=55' })).toBeNull(); // not the reason for the refusal
    for (const other of ["", "soon", "-1", "1.5", "Thu, nonsense"])
      expect(wait({ "retry-after": other })).toBeNull();
  });
});

test("any text at all is read without an exception, and within bounds", () => {
  const pieces = fc.constantFrom(
    "<",
    ">",
    ";",
    ",",
    '"',
    "rel=next",
    "bytes ",
    "-",
    "/",
    "r=0",
    "t=9",
    "Mon, ",
    "9".repeat(15),
    "1",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join("")),
  );
  const headerText = text.map((value) => value.replace(/[^\x20-\x7e]/g, "?"));
  fc.assert(
    fc.property(text, headerText, (any, value) => {
      const address = nextPage(any);
      if (address !== null) expect(any).toContain(`<${address}>`);
      const range = contentRange(any);
      if (range) expect(range.first >= 0 && range.first < range.total).toBe(true);
      for (const name of ["retry-after", "ratelimit"]) {
        const ms = askedWaitMs(new Headers({ [name]: value }));
        if (ms !== null) expect(ms).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 2000 },
  );
});

test("round trip of ranges", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (first, more, rest) => {
      const total = first + more + rest + 1;
      expect(contentRange(`bytes ${first}-${first + more}/${total}`)).toEqual({ first, total });
    }),
  );
});
