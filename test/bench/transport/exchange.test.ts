/** Proves that a request always ends: by its timeout, by a host that is not there, by giving it up. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { backendOf } from "../../../src/bench/backends/index.ts";
import { defaultOptions } from "../../../src/bench/options.ts";
import { Connections } from "../../../src/bench/transport/connection.ts";
import { Exchange } from "../../../src/bench/transport/exchange.ts";
import { Inbox } from "../../../src/bench/transport/inbox.ts";
import { burst, startMock } from "../mock/server.ts";
import type { MockServer } from "../mock/server.ts";

let silent: MockServer;
beforeAll(async () => {
  silent = await startMock(() => {});
});
afterAll(() => silent.close());

function exchange(host: string, timeoutMs: number): Exchange {
  const endpoint = { host, port: silent.port, tls: false };
  const request = Buffer.from("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
  const reader = backendOf.sglang.newReader(defaultOptions);
  return new Exchange(new Connections(endpoint, false), request, reader, new Inbox(), timeoutMs);
}

test("a server that stays silent", async () => {
  const { failure, status, firstByteMs } = await exchange("127.0.0.1", 20).done;
  expect(failure).toEqual({ class: "timeout", message: "no end of the reply after 0.02 s" });
  expect([status, firstByteMs]).toEqual([null, null]);
});

test("a host that does not exist", async () => {
  const { failure } = await exchange("no-such-host.invalid", 20_000).done;
  expect(failure?.class).toBe("connection");
  expect(failure?.message).toStartWith(`cannot connect to no-such-host.invalid:${silent.port}`);
});

test("a whole reply ends the connection in order, not by a reset", async () => {
  const ended = Promise.withResolvers<boolean>();
  const server = await startMock((request, socket) => {
    socket.on("close", (hadError) => ended.resolve(hadError));
    void burst(request, socket);
  });
  const endpoint = { host: "127.0.0.1", port: server.port, tls: false };
  const body = '{"max_tokens": 1}';
  const request = Buffer.from(`POST / HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const reader = backendOf.sglang.newReader(defaultOptions);
  const { failure } = await new Exchange(
    new Connections(endpoint, false),
    request,
    reader,
    new Inbox(),
    20_000,
  ).done;
  expect([failure, await ended.promise]).toEqual([null, false]);
  await server.close();
});

test("giving up before the connection is there", async () => {
  const started = exchange("127.0.0.1", 20_000);
  started.fail({ class: "interrupted", message: "enough" });
  started.fail({ class: "timeout", message: "too late" });
  expect((await started.done).failure).toEqual({ class: "interrupted", message: "enough" });
});
