/**
 * Proves, over each way to a server, that a valid stream gives its events however it is written and cut, and that one
 * that is not valid gives a failure of the right class, never a success.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { exchange, trustAny, wayNames, ways, type Way } from "../mock/exchange.ts";
import { replay, startMock, type MockHandler, type MockServer } from "../mock/server.ts";
import {
  done,
  generateChunk,
  llamaChunk,
  llamaEnd,
  sglangChat,
  sglangChunk,
  tritonChunk,
} from "../mock/wires.ts";

/** How each format writes texts, an event each; its last events, and those that may as well be missing. */
const formats = {
  sglang: {
    event: (texts: readonly string[]) => sglangChunk(texts.at(-1)!),
    end: () => [sglangChunk("", "length")],
    optionalEnd: [done],
  },
  "sglang-oai-chat": {
    event: (texts: readonly string[]) => sglangChat(`{"content":${JSON.stringify(texts.at(-1))}}`),
    end: () => [sglangChat('{"reasoning_content":null}', "length")],
    optionalEnd: [done],
  },
  "sglang-native": {
    event: (texts: readonly string[]) => generateChunk(texts.join(""), texts.length),
    end: (texts: readonly string[]) => [
      generateChunk(texts.join(""), texts.length, '{"type":"length","length":3}'),
    ],
    optionalEnd: [done],
  },
  trt: {
    event: (texts: readonly string[]) => tritonChunk(texts.at(-1)!),
    end: () => [],
    optionalEnd: [],
  },
  "llama.cpp": {
    event: (texts: readonly string[]) => llamaChunk(texts.at(-1)!, texts.length),
    end: (texts: readonly string[]) => [llamaEnd(texts.length)],
    optionalEnd: [],
  },
} as const;
type Format = keyof typeof formats;
const formatNames = Object.keys(formats) as Format[];

const eventsOf = (format: Format, texts: readonly string[]): string[] => [
  ...texts.map((_, i) => formats[format].event(texts.slice(0, i + 1))),
  ...formats[format].end(texts),
];

const text = fc.oneof(
  fc.string({ minLength: 1, unit: "grapheme" }),
  fc.constantFrom(" the", "\n", "\r\n", '"', "\\", "\u2028", "\u0000", "data:", "é", "漢", "😀"),
);
const texts = fc.array(text, { minLength: 1, maxLength: 4 });
/** What a stream may hold between its events, and what means nothing. */
const noise = fc.constantFrom("", "", "", ": ping\n", "event: message\n", "id: 7\n", "retry: 10\n");
const framing = fc.constantFrom("chunked", "counted", "until close");

/** How one stream is written. */
const manner = fc.record({
  noise: fc.array(noise, { minLength: 8, maxLength: 8 }),
  /** After "data:". */
  blank: fc.constantFrom(" ", ""),
  newline: fc.constantFrom("\n", "\r\n"),
  /** An empty line ends an event, but a line is one anyway. */
  emptyLine: fc.boolean(),
  byteOrderMark: fc.boolean(),
  withOptionalEnd: fc.boolean(),
});

function written(
  format: Format,
  events: readonly string[],
  how: typeof manner extends fc.Arbitrary<infer M> ? M : never,
): string {
  const all = how.withOptionalEnd ? [...events, ...formats[format].optionalEnd] : events;
  const lines = all.map((event, i) => {
    const line = event.trimEnd().replace(/^data: /, `data:${how.blank}`);
    return `${how.noise[i] ?? ""}${line}\n${how.emptyLine ? "\n" : ""}`;
  });
  const mark = how.byteOrderMark ? "\ufeff" : "";
  return mark + lines.join("").replaceAll("\n", how.newline);
}

const chunk = (part: Uint8Array) =>
  Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);

/** The reply around a body, its chunks cut where `cuts` say. */
function framed(body: Uint8Array, how: string, cuts: readonly number[], status = 200): Buffer {
  const head = (field: string) => Buffer.from(`HTTP/1.1 ${status} So it is\r\n${field}\r\n`);
  if (how === "counted") return Buffer.concat([head(`content-length: ${body.length}\r\n`), body]);
  if (how === "until close") return Buffer.concat([head(""), body]);
  const ends = [...sorted(cuts, body.length), body.length];
  const parts = ends.map((end, i) => body.subarray(i === 0 ? 0 : ends[i - 1], end));
  const chunks = parts.filter((part) => part.length > 0).map(chunk);
  return Buffer.concat([
    head("transfer-encoding: chunked\r\n"),
    ...chunks,
    Buffer.from("0\r\n\r\n"),
  ]);
}

const sorted = (cuts: readonly number[], length: number): number[] =>
  cuts.map((cut) => cut % (length + 1)).toSorted((a, b) => a - b);
const cutsAnywhere = fc.array(fc.nat(20_000), { maxLength: 6 });

let handler: MockHandler = () => {};
const answer: MockHandler = (request, socket) => handler(request, socket);
let servers: Record<"plain" | "tls", MockServer>;
let distrust: () => void;
beforeAll(async () => {
  servers = { plain: await startMock(answer), tls: await startMock(answer, undefined, true) };
  distrust = trustAny();
});
afterAll(async () => {
  distrust();
  await servers.plain.close();
  await servers.tls.close();
});

async function read(way: Way, format: Format, reply: Buffer, cuts: readonly number[]) {
  handler = replay(reply, sorted(cuts, reply.length));
  const { port } = ways[way].tls ? servers.tls : servers.plain;
  const [record] = await exchange(way, port, format);
  return record!;
}

const numRuns = 60;

describe.each(wayNames)("%s", (way) => {
  test.each(formatNames)("%s: any way to write a valid stream", async (format) => {
    const valid = fc.asyncProperty(
      texts,
      manner,
      framing,
      cutsAnywhere,
      cutsAnywhere,
      async (said, how, frame, chunks, cuts) => {
        const body = Buffer.from(written(format, eventsOf(format, said), how));
        const reply = framed(body, frame, chunks);
        const record = await read(way, format, reply, cuts);
        expect({ failure: record.failure, text: record.text }).toEqual({
          failure: null,
          text: said.join(""),
        });
        expect(record.itlsS).toHaveLength(said.length - 1);
        expect(record.ttftS).toBeGreaterThan(0);
      },
    );
    await fc.assert(valid, { numRuns });
  });

  test.each(formatNames)("%s: what is not valid is never a success", async (format) => {
    const invalid = fc.asyncProperty(
      texts,
      manner,
      fault,
      fc.nat(20),
      cutsAnywhere,
      cutsAnywhere,
      async (said, how, name, place, chunks, cuts) => {
        const { make, is } = faults[name];
        const events = eventsOf(format, said);
        const at = place % (said.length + 1);
        const write = (changed: readonly string[]) => written(format, changed, how);
        const reply = make({ events, at, write, chunks });
        const { failure } = await read(way, format, reply, cuts);
        expect({ name, class: failure?.class }).toEqual({ name, class: is });
        expect(failure!.message).not.toBe("");
      },
    );
    await fc.assert(invalid, { numRuns });
  });

  test.each(formatNames)("%s: events of a megabyte, and many in one read", async (format) => {
    const long = "lorem ipsum é ".repeat(75_000);
    for (const said of [[long, "b"], Array.from({ length: 500 }, (_, i) => ` ${i}`)]) {
      const body = Buffer.from([...eventsOf(format, said), done].join(""));
      const withoutDone = format === "trt" || format === "llama.cpp";
      const sent = withoutDone ? body.subarray(0, body.length - done.length) : body;
      const record = await read(way, format, framed(sent, "chunked", [1_000_001]), []);
      expect(record.failure).toBeNull();
      expect(record.text === said.join("")).toBe(true);
      expect(record.itlsS).toHaveLength(said.length - 1);
    }
  });
});

interface Stream {
  readonly events: readonly string[];
  /** A place before, between or after the events that hold text. */
  readonly at: number;
  readonly write: (events: readonly string[]) => string;
  readonly chunks: readonly number[];
}

const insert = ({ events, at, write, chunks }: Stream, event: string): Buffer =>
  framed(
    Buffer.from(write([...events.slice(0, at), event, ...events.slice(at)])),
    "chunked",
    chunks,
  );

const faults = {
  "an error event": {
    is: "error event",
    make: (s: Stream) => insert(s, 'data: {"error":{"message":"boom","code":500}}'),
  },
  "an event that is not JSON": {
    is: "malformed",
    make: (s: Stream) => insert(s, 'data: {"choices":[{"index":0,"te'),
  },
  "an event on two lines": {
    is: "malformed",
    make: (s: Stream) => insert(s, 'data: {"choices":\ndata: []}'),
  },
  "an event of something else": { is: "malformed", make: (s: Stream) => insert(s, "data: {}") },
  "an event without data": { is: "malformed", make: (s: Stream) => insert(s, "data:") },
  "a page of a gateway": {
    is: "malformed",
    make: (s: Stream) => insert(s, "<html><body>Bad gateway</body></html>"),
  },
  "fewer bytes than were counted": {
    is: "cut off",
    make: ({ events, write, at }: Stream) => {
      const body = Buffer.from(write(events));
      return framed(body, "counted", []).subarray(0, -1 - (at % body.length));
    },
  },
  "chunks without an end": {
    is: "cut off",
    make: ({ events, write, chunks, at }: Stream) =>
      framed(Buffer.from(write(events)), "chunked", chunks).subarray(0, -1 - at),
  },
  "a chunk size that is none": {
    is: "malformed",
    make: ({ events, write }: Stream) => {
      const reply = framed(Buffer.from(write(events)), "chunked", []).toString("latin1");
      return Buffer.from(reply.replace(/\r\n\r\n[0-9a-f]+/, "\r\n\r\nxyz"), "latin1");
    },
  },
  "another status": {
    is: "http 503",
    make: ({ events, write, chunks }: Stream) =>
      framed(Buffer.from(write(events)), "chunked", chunks, 503),
  },
  "nothing in it": { is: "empty", make: () => framed(Buffer.alloc(0), "counted", []) },
  "nothing but comments": {
    is: "empty",
    make: () => framed(Buffer.from(": ping\n\n: ping\n\n"), "until close", []),
  },
  "no HTTP": { is: "malformed", make: () => Buffer.from("SSH-2.0-OpenSSH_9.9\r\n\r\n") },
} as const;
const fault = fc.constantFrom(...(Object.keys(faults) as (keyof typeof faults)[]));
