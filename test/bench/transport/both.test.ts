/** Proves that native threads and the runtime's sockets make the same of a reply, whatever it is and however it is cut. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { backendOf } from "../../../src/bench/backends/index.ts";
import { collectLoad, plainLoad, type LoadPlan } from "../../../src/bench/load.ts";
import { defaultOptions, type BackendName } from "../../../src/bench/options.ts";
import { onceEach } from "../../../src/bench/schedule.ts";
import { sendNative } from "../../../src/bench/transport/native.ts";
import { sendPlain } from "../../../src/bench/transport/plain.ts";
import { replay, startMock, type MockHandler, type MockServer } from "../mock/server.ts";

const transports = { plain: sendPlain, native: sendNative };

let server: MockServer;
let handler: MockHandler = () => {};
beforeAll(async () => {
  server = await startMock((request, socket) => handler(request, socket));
});
afterAll(() => server.close());

const post = Buffer.from("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");

function planOf(backend: BackendName, count = 1): LoadPlan {
  const { textPath } = backendOf[backend];
  const request = { promptLen: 1, outputLen: 4, bytes: post };
  return {
    endpoint: { host: "127.0.0.1", port: server.port, tls: false },
    ...plainLoad,
    schedule: onceEach(new Float64Array(count), () => request),
    format: { newReader: () => backendOf[backend].newReader(defaultOptions), textPath },
    timeoutMs: 5000,
    signal: new AbortController().signal,
  };
}

/** What a client makes of the reply, without its times. */
async function outcome(name: keyof typeof transports, backend: BackendName) {
  const { records } = await collectLoad(planOf(backend), transports[name]);
  const { text, itlsS, usage, httpStatus: status, failure, ttftS, firstByteS } = records[0]!;
  const detail = failure && { class: failure.class, message: failure.message };
  // What fails ends at another moment: a native thread reads to the end, the other closes the connection.
  if (detail) return { failure: detail, status };
  return {
    text,
    gaps: itlsS.length,
    usage,
    status,
    hasToken: ttftS > 0,
    began: firstByteS !== null,
  };
}

const completion = (text: unknown, more: object = {}) =>
  `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, text, ...more }], usage: null })}`;
const said = (content: unknown, more: object = {}) =>
  `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta: { content }, ...more }] })}`;
const soFar = (text: unknown, count: number) =>
  `data: ${JSON.stringify({ text, meta_info: { completion_tokens: count, finish_reason: null } })}`;
const piece = (content: unknown, stop: boolean) =>
  `data: ${JSON.stringify({ index: 0, content, stop })}`;
const generated = (text: unknown) => `data: ${JSON.stringify({ model: "m", text_output: text })}`;

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom(" the", "\n", '"', "\\", "\u2028", "\u0000", "\ud83d", "data:", "é", ""),
);
const line = fc.oneof(
  { weight: 8, arbitrary: text.map((t) => completion(t)) },
  { weight: 2, arbitrary: text.map(generated) },
  { weight: 3, arbitrary: text.map((t) => said(t)) },
  { weight: 1, arbitrary: text.map((t) => said(t, { finish_reason: "stop" })) },
  { weight: 3, arbitrary: fc.tuple(text, fc.nat(4)).map(([t, count]) => soFar(t, count)) },
  { weight: 3, arbitrary: text.map((t) => piece(t, false)) },
  { weight: 1, arbitrary: text.map((t) => piece(t, true)) },
  { weight: 1, arbitrary: text.map((t) => completion(t, { finish_reason: "length" })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(": ping", "", "event: message", "id: 1", "data: [DONE]"),
  },
  { weight: 1, arbitrary: fc.constantFrom(completion(null), completion(3), "data:", "data: {}") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}',
      'data: {"error": {"message": "out of memory"}}',
      'data: {"choices": [{"text": "a',
      '{"choices": [{"text": "whole"}]}',
      "<html>",
    ),
  },
  { weight: 1, arbitrary: text.map((t) => completion(t).replace("data: ", "data:")) },
);
/** One of each way to read. */
const ways = ["sglang", "trt", "vllm-chat", "sglang-native", "llama.cpp"] as const;

/** Mostly of the one format, so that there is something to read. */
const own: Readonly<Record<(typeof ways)[number], RegExp>> = {
  sglang: /"choices":\[\{"index":0,"text"/,
  trt: /text_output/,
  "vllm-chat": /delta/,
  "sglang-native": /meta_info/,
  "llama.cpp": /"stop"/,
};
const bodyFor = (way: (typeof ways)[number]) =>
  fc
    .record({
      lines: fc.oneof(
        {
          weight: 3,
          arbitrary: fc.array(
            line.filter((l) => own[way].test(l)),
            { maxLength: 12 },
          ),
        },
        { weight: 1, arbitrary: fc.array(line, { maxLength: 12 }) },
      ),
      end: fc.constantFrom("\n\n", "\n", "\r\n\r\n"),
    })
    .map(({ lines, end }) => lines.map((l) => l + end).join(""));

const framing = fc.constantFrom("chunked", "counted", "until close", "cut off");

const chunk = (part: Uint8Array) =>
  Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);

function replyOf(content: string, framed: string, status: number): Buffer {
  const bytes = Buffer.from(content);
  const head = (field: string) => Buffer.from(`HTTP/1.1 ${status} So it is\r\n${field}\r\n`);
  const chunks = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)];
  const filled = chunks.filter((part) => part.length > 0).map(chunk);
  switch (framed) {
    case "counted":
      return Buffer.concat([head(`content-length: ${bytes.length}\r\n`), bytes]);
    case "until close":
      return Buffer.concat([head(""), bytes]);
    case "cut off":
      return Buffer.concat([head(`content-length: ${bytes.length + 1}\r\n`), bytes]);
    default:
      return Buffer.concat([
        head("transfer-encoding: chunked\r\n"),
        ...filled,
        Buffer.from("0\r\n\r\n"),
      ]);
  }
}

async function readAlike(
  backend: BackendName,
  content: string,
  framed: string,
  status: number,
  cuts: readonly number[],
): Promise<void> {
  const reply = replyOf(content, framed, status);
  handler = replay(
    reply,
    cuts.map((cut) => cut % reply.length).toSorted((a, b) => a - b),
  );
  const plain = await outcome("plain", backend);
  expect(await outcome("native", backend)).toEqual(plain);
}

describe.each(ways)("%s", (backend) => {
  test("any reply, cut anywhere, is read alike", async () => {
    const status = fc.constantFrom(200, 200, 200, 400, 503);
    const cuts = fc.array(fc.nat(4000), { maxLength: 4 });
    const alike = fc.asyncProperty(bodyFor(backend), framing, status, cuts, (...reply) =>
      readAlike(backend, ...reply),
    );
    await fc.assert(alike, { numRuns: 150 });
  });

  test("long events that repeat what was before are read alike", async () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      remove: fc.constantFrom(0, 0, 0, 1, 3, 40),
      insert: fc.oneof(fc.constant(""), text, fc.string({ minLength: 200, maxLength: 300 })),
    });
    // Whatever the format is told of the text, its events are long and differ here and there.
    const wrap = { sglang: completion, trt: generated, "vllm-chat": said } as const;
    const eventOf = (content: string, i: number) =>
      backend === "sglang-native"
        ? soFar(content, i)
        : backend === "llama.cpp"
          ? piece(content, i > 5)
          : wrap[backend](content, { logprobs: content.length, i });
    const grown = fc.array(edit, { minLength: 2, maxLength: 12 }).map((edits) => {
      let content = "lorem ipsum dolor sit amet ".repeat(25);
      return edits.map(({ at, remove, insert }, i) => {
        const from = Math.floor(at * content.length);
        content = content.slice(0, from) + insert + content.slice(from + remove);
        return `${eventOf(content, i)}\n\n`;
      });
    });
    const alike = fc.asyncProperty(
      grown,
      fc.array(fc.nat(9000), { maxLength: 3 }),
      (events, cuts) => readAlike(backend, events.join(""), "chunked", 200, cuts),
    );
    await fc.assert(alike, { numRuns: 40 });
  });

  test("what is not HTTP is malformed to both", async () => {
    const heads = [
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    ];
    for (const head of [...heads, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"]) {
      handler = replay(Buffer.from(head), []);
      for (const name of ["plain", "native"] as const) {
        const { failure } = await outcome(name, backend);
        expect(failure?.class).toBe("malformed");
      }
    }
  });
});
