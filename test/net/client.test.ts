/** Proves that the native client sends what and when it is told, ends every exchange once, and stops when told to. */
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { NetClient, type NetClientOptions, type NetReply } from "../../src/net/client.ts";
import { NetMock, type MockFault, type NetMockOptions } from "../../src/net/mock.ts";
import { wireFormats } from "../../src/bench/mock/formats.ts";

const open: { close(): void }[] = [];
afterEach(() => {
  for (const it of open.splice(0).toReversed()) it.close();
});

function mock(options: Partial<NetMockOptions> = {}): NetMock {
  const usual = {
    address: "127.0.0.1",
    port: 0,
    ttftMs: 0,
    itlMs: 0,
    tokens: 5,
    perWrite: 1,
    lockstep: false,
    seed: 1,
    faults: {},
  };
  const server = new NetMock({ ...usual, ...options }, wireFormats.completions);
  open.push(server);
  return server;
}

function client(port: number, options: Partial<NetClientOptions> = {}): NetClient {
  const usual = {
    address: "127.0.0.1",
    port,
    threads: 1,
    keepAlive: false,
    maxInFlight: Infinity,
    sendForMs: Infinity,
    timeoutMs: 10_000,
    textPath: "choices.0.text",
  };
  const opened = new NetClient({ ...usual, ...options });
  open.push(opened);
  return opened;
}

const body = '{"stream": true, "max_tokens": 5}';
const request = Buffer.from(`POST /v1 HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`);

async function ends(from: NetClient, count: number): Promise<NetReply[]> {
  const replies: NetReply[] = [];
  while (replies.length < count) {
    const reply = from.take();
    if (reply) replies.push(reply);
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return replies;
}

test("events are stamped when they came, not when they were read", async () => {
  const { port } = mock({ itlMs: 1 });
  const load = client(port);
  const startNs = (load.submit(0, request, 0), load.start());
  // Nothing is earlier than its send; the clocks of both stamps are related to within microseconds.
  const [reply] = await ends(load, 1);
  const [first, run] = reply!.entries as unknown as [{ line: string }, { texts: string }];
  const texts = JSON.parse(first.line.slice("data:".length)).choices[0].text + run.texts;
  const sentNs = texts.match(/\d{16}/g)!.map(Number);
  expect(sentNs.length).toBe(5);
  const cameNs = Array.from(reply!.stampsS, (s) => startNs + (reply!.sentS + s) * 1e9);
  sentNs.forEach((ns, i) => expect(cameNs[i]!).toBeGreaterThan(ns - 10_000));
  const { waitS, lateS, cpuS } = load.counters();
  expect(waitS.max).toBeGreaterThan(0);
  expect(lateS.max).toBeLessThanOrEqual(waitS.max + (reply!.endS - reply!.sentS));
  expect(cpuS).toBeGreaterThan(0);
});

describe.each([1, 3])("%d threads", (threads) => {
  test.each([false, true])("every exchange ends once, connections kept: %p", async (keepAlive) => {
    const { port } = mock();
    const load = client(port, { threads, keepAlive });
    const count = 300;
    for (let i = 0; i < count; i++) load.submit(i, request, (i % 7) / 1000);
    load.start();
    const replies = await ends(load, count);
    expect(load.take()).toBeNull();
    expect(new Set(replies.map(({ index }) => index)).size).toBe(count);
    for (const reply of replies) {
      expect([reply.outcome, reply.status]).toEqual(["success", 200]);
      expect(reply.stampsS.length).toBe(6); // five events and [DONE]
      expect(reply.sentS).toBeGreaterThanOrEqual(reply.dueS);
      expect(reply.firstByteS).toBeGreaterThan(reply.sentS);
      expect(reply.endS - reply.sentS).toBeCloseTo(reply.stampsS.at(-1)!, 9);
      expect([...reply.stampsS].toSorted((a, b) => a - b)).toEqual([...reply.stampsS]);
      const [first, run, last] = reply.entries;
      expect(first).toMatchObject({ kind: "line", line: expect.stringContaining('"text":" ') });
      expect(run).toMatchObject({
        kind: "run",
        count: 4,
        texts: expect.stringMatching(/^( \d{16}){4}$/),
      });
      expect(last).toEqual({ kind: "line", line: "data: [DONE]" });
    }
    expect(load.counters()).toMatchObject({ sent: count, ended: count, lines: 6 * count });
  });

  test("no more than the limit are under way, and all have their turn", async () => {
    let underWay = 0;
    let most = 0;
    const server = await listen((socket) => {
      most = Math.max(most, ++underWay);
      setTimeout(() => {
        underWay--; // before the client can know
        socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      }, 2);
    });
    const load = client(server, { threads, maxInFlight: 4 });
    for (let i = 0; i < 50; i++) load.submit(i, request, 0);
    load.start();
    const replies = await ends(load, 50);
    expect(replies.every(({ outcome }) => outcome === "success")).toBe(true);
    expect(most).toBe(4);
  });
});

async function listen(onRequest: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => onRequest(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  return (server.address() as { port: number }).port;
}

test("faults of the server are told apart, and each is one exchange's", async () => {
  const faults: Record<MockFault, number> = {
    error_500: 100,
    empty: 100,
    reset: 100,
    cut: 100,
    stall: 100,
    garbage: 100,
    error_event: 100,
  };
  const { port } = mock({ faults });
  const load = client(port, { timeoutMs: 300 });
  const count = 400;
  for (let i = 0; i < count; i++) load.submit(i, request, 0);
  load.start();
  const seen: Record<string, number> = {};
  for (const { outcome, status, stampsS } of await ends(load, count)) {
    const name = `${outcome} ${status} ${stampsS.length}`;
    seen[name] = (seen[name] ?? 0) + 1;
  }
  expect(Object.keys(seen).toSorted()).toEqual(
    [
      "broken 200 2", // reset in the middle
      "cut off 200 2",
      "success 200 2", // "empty" in the middle
      "success 200 3", // garbage, or an error event
      "success 200 6",
      "success 500 0",
      "timeout 200 2",
    ].toSorted(),
  );
});

test("a port where nobody listens", async () => {
  const port = await listen(() => {});
  for (const it of open.splice(0)) it.close();
  const load = client(port);
  load.submit(0, request, 0);
  load.start();
  const [reply] = await ends(load, 1);
  expect(reply).toMatchObject({ outcome: "connect", errno: 111, status: 0, connectedS: NaN });
});

test("giving up ends what is under way and forgets what is not sent", async () => {
  const { port } = mock({ ttftMs: 60_000 });
  const load = client(port);
  for (let i = 0; i < 20; i++) load.submit(i, request, i < 5 ? 0 : 3600);
  load.start();
  while (load.counters().sent < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  load.cancel();
  const replies = await ends(load, 5);
  expect(replies.map(({ outcome }) => outcome)).toEqual(Array(5).fill("interrupted"));
  expect(load.counters()).toMatchObject({ sent: 5, ended: 5 });
});

test("a kept connection that the server has closed meanwhile is no failure", async () => {
  let connections = 0;
  const port = await listen((socket) => {
    connections++;
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    socket.once("data", () => socket.destroy());
  });
  const load = client(port, { keepAlive: true, maxInFlight: 1 });
  for (let i = 0; i < 6; i++) load.submit(i, request, 0);
  load.start();
  const replies = await ends(load, 6);
  expect(replies.map(({ outcome }) => outcome)).toEqual(Array(6).fill("success"));
  expect([connections, load.counters().retried]).toEqual([6, 5]);
});

test("a large request goes out whole, and a large reply comes whole", async () => {
  const size = 8 << 20;
  const server = createServer((socket) => {
    let got = 0;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      got += bytes.length;
      if (got < size) return;
      socket.end(`HTTP/1.1 200 OK\r\n\r\ndata: {"choices":[{"text":"${"x".repeat(size)}"}]}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  const load = client((server.address() as { port: number }).port);
  load.submit(0, Buffer.alloc(size, "r"), 0);
  load.start();
  const [reply] = await ends(load, 1);
  expect(reply).toMatchObject({ outcome: "success", status: 200 });
  expect(reply!.entries[0]).toMatchObject({ kind: "line" });
  expect((reply!.entries[0] as { line: string }).line.length).toBeGreaterThan(size);
});

test("options that cannot be are refused with a sentence", () => {
  expect(() => client(1, { address: "localhost" })).toThrow(/address: expected an IP address/);
  expect(() => client(70_000)).toThrow(/port: expected an integer in 1..65535/);
  expect(() => client(1, { textPath: "a..b" })).toThrow(/text: expected a path/);
});
