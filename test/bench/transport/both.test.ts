/** Proves that native threads and the runtime's sockets make the same of a reply, whatever it is and however it is cut. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { backendOf } from "../../../src/bench/backends/index.ts";
import { collectLoad, type LoadPlan } from "../../../src/bench/load.ts";
import { defaultOptions } from "../../../src/bench/options.ts";
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

function planOf(backend: "sglang" | "trt", count = 1): LoadPlan {
  const { textPath } = backendOf[backend];
  const request = { request: { prompt: "a", promptLen: 1, outputLen: 4 }, bytes: post };
  return {
    endpoint: { host: "127.0.0.1", port: server.port, tls: false },
    requests: Array.from({ length: count }, () => request),
    dueS: new Float64Array(count),
    format: { newReader: () => backendOf[backend].newReader(defaultOptions), textPath },
    timeoutMs: 5000,
    signal: new AbortController().signal,
    onSent: () => {},
    onEnd: () => {},
  };
}

/** What a client makes of the reply, without its times. */
async function outcome(name: keyof typeof transports, backend: "sglang" | "trt") {
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
const generated = (text: unknown) => `data: ${JSON.stringify({ model: "m", text_output: text })}`;

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom(" the", "\n", '"', "\\", "\u2028", "\u0000", "\ud83d", "data:", "é", ""),
);
const line = fc.oneof(
  { weight: 8, arbitrary: text.map((t) => completion(t)) },
  { weight: 2, arbitrary: text.map(generated) },
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
const body = fc
  .record({
    lines: fc.array(line, { maxLength: 12 }),
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
  backend: "sglang" | "trt",
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

describe.each(["sglang", "trt"] as const)("%s", (backend) => {
  test("any reply, cut anywhere, is read alike", async () => {
    const status = fc.constantFrom(200, 200, 200, 400, 503);
    const cuts = fc.array(fc.nat(4000), { maxLength: 4 });
    const alike = fc.asyncProperty(body, framing, status, cuts, (...reply) =>
      readAlike(backend, ...reply),
    );
    await fc.assert(alike, { numRuns: 150 });
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
