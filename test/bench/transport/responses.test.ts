/** Proves that each way to a server reads HTTP/1.1 alike: heads, framings and ends, whole or one byte at a time. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { exchange, trustAny, wayNames, ways } from "../mock/exchange.ts";
import { replay, startMock, type MockHandler, type MockServer } from "../mock/server.ts";

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

const event = 'data: {"choices":[{"text":"hi"}]}\n\n';
const size = event.length.toString(16);
const ok = { status: 200, text: "hi", failure: null };
const failed = (failure: string, status: number | null = 200) => ({ status, text: "", failure });

const cases: readonly (readonly [name: string, reply: string, means: object])[] = [
  ["counted", `HTTP/1.1 200 OK\r\ncontent-length: ${event.length}\r\n\r\n${event}`, ok],
  [
    "counted, and more than that",
    `HTTP/1.1 200 OK\r\ncontent-length: ${event.length}\r\n\r\n${event}data: {`,
    ok,
  ],
  ["ended by the close", `HTTP/1.1 200 OK\r\n\r\n${event}`, ok],
  ["of HTTP/1.0", `HTTP/1.0 200 OK\r\n\r\n${event}`, ok],
  ["without a reason", `HTTP/1.1 200\r\n\r\n${event}`, ok],
  ["of bare newlines", `HTTP/1.1 200 OK\ncontent-length: ${event.length}\n\n${event}`, ok],
  [
    "chunked",
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n${size}\r\n${event}\r\n0\r\n\r\n`,
    ok,
  ],
  [
    "chunked, with extension, zeros and trailer",
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n000${size.toUpperCase()};a="b"\r\n${event}\r\n0\r\nx: y\r\n\r\n`,
    ok,
  ],
  [
    "chunked, whatever its content-length says",
    `HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${size}\r\n${event}\r\n0\r\n\r\n`,
    ok,
  ],
  [
    "after interim ones",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n${event}`,
    ok,
  ],
  ["after empty lines", `\r\n\r\nHTTP/1.1 200 OK\r\n\r\n${event}`, ok],
  ["without content", "HTTP/1.1 204 No Content\r\n\r\n", failed("http 204", 204)],
  [
    "an error without content",
    "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
    failed("http 503", 503),
  ],
  [
    "a redirection",
    "HTTP/1.1 307 Elsewhere\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n",
    failed("http 307", 307),
  ],
  ["counted, and empty", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", failed("empty")],
  ["counted, and cut", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n: ping\n", failed("cut off")],
  [
    "chunked, and cut in a chunk",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n: ping",
    failed("cut off"),
  ],
  [
    "chunked, and cut in its trailer",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n",
    failed("cut off"),
  ],
  // Its status is known, or not yet.
  ["cut in the head", "HTTP/1.1 200 OK\r\ncont", { text: "", failure: "cut off" }],
  ["of another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n", failed("malformed", null)],
  ["of HTTP/2", "HTTP/2 200\r\n\r\n", failed("malformed", null)],
  ["of a status that is none", "HTTP/1.1 20x OK\r\n\r\n", failed("malformed", null)],
  ["of a field without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", failed("malformed")],
  [
    "of a length that is none",
    "HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\n",
    failed("malformed"),
  ],
  [
    "of a chunk size that is none",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    failed("malformed"),
  ],
];

describe.each(wayNames)("%s", (way) => {
  test.each(cases)("a reply %s", async (_, reply, means) => {
    const bytes = Buffer.from(reply);
    for (const cuts of [[], Array.from({ length: bytes.length }, (_byte, i) => i)]) {
      handler = replay(bytes, cuts);
      const { port } = ways[way].tls ? servers.tls : servers.plain;
      const [record] = await exchange(way, port, "sglang");
      const { failure, httpStatus, text } = record!;
      expect({ status: httpStatus, text, failure: failure?.class ?? null }).toMatchObject(means);
    }
  });
});
