/**
 * Proves each backend against the bytes of its server, over each way that there is to it: what is sent, and what the
 * reply means.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { BackendName, BenchOptions } from "../../src/bench/options.ts";
import { exchange, trustAny, wayNames, ways, type Way } from "./mock/exchange.ts";
import { replay, startMock, type MockServer } from "./mock/server.ts";
import { counted, failures, wholeAnswers, wires } from "./mock/wires.ts";

let distrust: () => void;
beforeAll(() => {
  distrust = trustAny();
});
afterAll(() => distrust());

let server: MockServer;
afterEach(() => server.close());

async function answer(
  way: Way,
  backend: BackendName,
  reply: readonly Uint8Array[],
  more: Partial<BenchOptions> = {},
) {
  const cuts = reply.map((_, i) => reply.slice(0, i).reduce((sum, part) => sum + part.length, 0));
  server = await startMock(replay(Buffer.concat(reply), cuts), undefined, ways[way].tls);
  const [record] = await exchange(way, server.port, backend, more);
  return record!;
}

const head = Buffer.from(
  "HTTP/1.1 200 OK\r\ndate: Wed, 01 Jul 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
);
const chunked = (text: string) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from("\r\n"),
  ]);
};
const stream = (events: readonly string[]) => [
  head,
  ...events.map(chunked),
  Buffer.from("0\r\n\r\n"),
];

describe.each(wayNames)("%s", (way) => {
  test.each(wires)("$backend of $source: what is sent, what it means", async (wire) => {
    const record = await answer(way, wire.backend, stream(wire.events));
    expect(server.requests.map(({ path, body }) => ({ path, body }))).toEqual([
      { path: wire.path, body: wire.body },
    ]);
    expect(record).toMatchObject({
      failure: null,
      httpStatus: 200,
      text: wire.text,
      usage: wire.usage,
    });
    expect(record.itlsS).toHaveLength(wire.gaps);
    expect(record.ttftS).toBeGreaterThan(0);
    expect(record.latencyS).toBeGreaterThanOrEqual(record.ttftS);
  });

  test.each(failures)("$backend: $name", async (ending) => {
    const { failure } = await answer(way, ending.backend, stream(ending.events));
    expect(failure).toEqual({ class: ending.class, message: ending.message } as never);
  });

  test("Triton's error before the first token is of status 400, and an event all the same", async () => {
    const body = 'data: {"error":"input tensor text_input is missing"}\n\n';
    const reply = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/event-stream; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const { failure } = await answer(way, "trt", [Buffer.from(reply)]);
    expect(failure?.class).toBe("http 400");
    expect(failure?.message).toContain("text_input is missing");
  });

  test.each(wholeAnswers)("a whole answer of %s, no stream", async (backend, body) => {
    const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const record = await answer(way, backend, [Buffer.from(reply)], { disableStream: true });
    expect(record).toMatchObject({ failure: null, text: "H o", usage: counted });
    expect(server.requests[0]!.body).toContain('"stream": false');
    expect(server.requests[0]!.body).not.toContain("stream_options");
  });
});
