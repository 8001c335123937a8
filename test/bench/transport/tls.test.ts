/** Proves that TLS carries requests as TCP does, over kept connections and new ones, and that a refusal says what to do. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { defaultOptions } from "../../../src/bench/options.ts";
import { backendOf } from "../../../src/bench/backends/index.ts";
import { fetchModel, targetOf } from "../../../src/bench/target.ts";
import { Connections } from "../../../src/bench/transport/connection.ts";
import { Exchange } from "../../../src/bench/transport/exchange.ts";
import { Inbox } from "../../../src/bench/transport/inbox.ts";
import { tlsAdvice } from "../../../src/bench/transport/tls.ts";
import { exchange, trustAny } from "../mock/exchange.ts";
import { burst, startMock, type MockHandler, type MockServer } from "../mock/server.ts";

let server: MockServer;
const start = async (handler: MockHandler): Promise<void> => {
  server = await startMock(handler, undefined, true);
};
afterEach(() => server?.close());

const send = (connection: "close" | "keep-alive", times: number) =>
  exchange("plain, TLS", server.port, "sglang", { connection, maxConcurrency: 1 }, times);

describe("where the certificate is trusted", () => {
  let distrust: () => void;
  beforeAll(() => {
    distrust = trustAny();
  });
  afterAll(() => distrust());

  test.each([
    ["keep-alive", 1],
    ["close", 3],
  ] as const)("--connection %s: %d connections for three requests", async (connection, count) => {
    await start(burst);
    const records = await send(connection, 3);
    expect(records.map(({ failure, text }) => [failure, text])).toEqual(
      Array.from({ length: 3 }, () => [null, " hello hello hello"]),
    );
    expect([server.requests.length, server.connections()]).toEqual([3, count]);
    const opened = records.filter(({ connectedS }) => connectedS !== null);
    expect(opened).toHaveLength(count);
  });

  test("a kept connection that the server has closed meanwhile is no failure", async () => {
    await start(async (request, socket) => {
      await burst(request, socket);
      setImmediate(() => socket.end());
    });
    const records = await send("keep-alive", 4);
    expect(records.map(({ failure }) => failure)).toEqual([null, null, null, null]);
    expect(server.requests).toHaveLength(4);
  });

  test("a connection that breaks in the middle is one", async () => {
    await start((_, socket) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: {", () => socket.end());
    });
    const [record] = await send("close", 1);
    expect(record!.failure?.class).toBe("cut off");
  });
});

describe("where it is not", () => {
  test("a certificate of an unknown authority", async () => {
    await start(burst);
    const [record] = await send("close", 1);
    expect(record).toMatchObject({ connectedS: null, firstByteS: null, httpStatus: null });
    expect(record!.failure).toEqual({
      class: "connection",
      message: `cannot connect to 127.0.0.1:${server.port} UNABLE_TO_VERIFY_LEAF_SIGNATURE: NODE_EXTRA_CA_CERTS=FILE.pem trusts a certificate or its authority, NODE_TLS_REJECT_UNAUTHORIZED=0 any`,
    });
    expect(server.requests).toHaveLength(0);
  });

  test("asked for its models, too", async () => {
    await start(burst);
    const options = { ...defaultOptions, baseUrl: `https://127.0.0.1:${server.port}` };
    const { signal } = new AbortController();
    const error = await fetchModel(targetOf(options, backendOf.sglang), options, signal).catch(
      (thrown: unknown) => thrown as Error,
    );
    expect((error as Error).message).toContain("NODE_EXTRA_CA_CERTS=FILE.pem");
  });

  test("a server that does not speak TLS", async () => {
    const plain = createServer();
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as { port: number };
    const [record] = await exchange("plain, TLS", port, "sglang");
    plain.close();
    expect(record!.failure?.class).toBe("connection");
    expect(record!.failure?.message).toEndWith("does it speak TLS? http:// is without");
  });
});

test("a handshake that never ends is given up, and its connection closed", async () => {
  const closed = Promise.withResolvers<void>();
  const silent = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.on("close", () => closed.resolve());
    socket.resume();
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const endpoint = { host: "127.0.0.1", port, tls: true };
  const reader = backendOf.sglang.newReader(defaultOptions);
  const connections = new Connections(endpoint, false);
  const { failure } = await new Exchange(connections, Buffer.of(), reader, new Inbox(), 20).done;
  expect(failure?.class).toBe("timeout");
  await closed.promise;
  silent.close();
});

test.each([
  [{ code: "ERR_TLS_CERT_ALTNAME_INVALID" }, ": call the server by a name"],
  [{ message: "invalid peer certificate: NotValidForName" }, ": call the server by a name"],
  [{ code: "CERT_HAS_EXPIRED" }, ": its certificate's time is over"],
  [{ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }, ": NODE_EXTRA_CA_CERTS="],
  [{ message: "invalid peer certificate: UnknownIssuer" }, ": NODE_EXTRA_CA_CERTS="],
  [{ code: "ECONNREFUSED" }, ""],
  [null, ""],
])("advice on %p", (error, begins) => {
  const advice = tlsAdvice(error);
  if (begins === "") expect(advice).toBe("");
  else expect(advice).toStartWith(begins);
});
