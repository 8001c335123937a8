/** Proves the limits of a load on both transports: how many at once, for how long, over which connections. */
import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { backendOf } from "../../src/bench/backends/index.ts";
import { collectLoad, plainLoad, type LoadPlan } from "../../src/bench/load.ts";
import { defaultOptions } from "../../src/bench/options.ts";
import { onceEach, roundAndRound } from "../../src/bench/schedule.ts";
import { sendNative } from "../../src/bench/transport/native.ts";
import { sendPlain } from "../../src/bench/transport/plain.ts";
import { burst, paced, startMock, type MockHandler, type MockServer } from "./mock/server.ts";

let server: MockServer;
afterEach(() => server.close());

const body = '{"max_tokens": 2}';
const prepared = {
  promptLen: 1,
  outputLen: 2,
  bytes: Buffer.from(`POST /v1 HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`),
};

async function planAgainst(handler: MockHandler, more: Partial<LoadPlan>): Promise<LoadPlan> {
  server = await startMock(handler);
  return {
    ...plainLoad,
    endpoint: { host: "127.0.0.1", port: server.port, tls: false },
    schedule: atOnce(1),
    format: {
      newReader: () => backendOf.sglang.newReader(defaultOptions),
      textPath: backendOf.sglang.textPath,
    },
    signal: new AbortController().signal,
    ...more,
  };
}

const atOnce = (count: number) => onceEach(new Float64Array(count), () => prepared);

/** A reply that ends with its connection. */
const untilClose: MockHandler = (_request, socket) =>
  void socket.end('HTTP/1.1 200 OK\r\n\r\ndata: {"choices": [{"text": "a"}]}\n\n');

/** Counts how many requests are under way at once. */
function counting(handler: MockHandler): { handler: MockHandler; most: () => number } {
  let now = 0;
  let most = 0;
  const counted: MockHandler = async (request, socket) => {
    most = Math.max(most, ++now);
    const done = () => now--;
    await handler(request, socket);
    done();
  };
  return { handler: counted, most: () => most };
}

describe.each([
  ["native", sendNative],
  ["plain", sendPlain],
] as const)("%s", (_name, send) => {
  test("no more at once than the limit, and the wait is lag", async () => {
    const counted = counting(paced({ ttftMs: 20, itlMs: 0 }));
    const plan = await planAgainst(counted.handler, { schedule: atOnce(9), maxInFlight: 3 });
    const { records } = await collectLoad(plan, send);
    expect(records.map(({ index, failure }) => [index, failure])).toEqual(
      Array.from({ length: 9 }, (_, i) => [i, null]),
    );
    expect(counted.most()).toBe(3);
    // Due at 0, but two rounds of 20 ms were before them.
    for (const { sentS, scheduledS, readyS } of records.slice(6)) {
      expect(sentS - scheduledS).toBeGreaterThanOrEqual(0.039);
      expect(readyS).toBeGreaterThanOrEqual(0.039);
      expect(sentS).toBeGreaterThanOrEqual(readyS);
    }
  });

  test("a time without end of requests: sends until it is over, then waits for the last", async () => {
    const counted = counting(paced({ ttftMs: 15, itlMs: 0 }));
    const rounds = new Set<number>();
    const request = (_index: number, round: number) => {
      rounds.add(round);
      return prepared;
    };
    const plan = await planAgainst(counted.handler, {
      schedule: roundAndRound(2, null, request),
      maxInFlight: 2,
      sendForS: 0.2,
      graceS: 10,
    });
    const { records } = await collectLoad(plan, send);
    expect(records.map(({ index }) => index)).toEqual(records.map((_, i) => i));
    expect(records.length).toBe(server.requests.length);
    expect(records.length).toBeGreaterThan(2);
    expect(records.filter(({ failure }) => failure !== null)).toEqual([]);
    // Nobody said when: a request is due as there is a place for it.
    expect(records.filter(({ readyS, scheduledS }) => readyS !== scheduledS)).toEqual([]);
    expect(counted.most()).toBe(2);
    expect([...rounds].slice(0, 2)).toEqual([0, 1]);
  });

  test("after the grace what is under way is given up, what waits is never sent", async () => {
    const plan = await planAgainst(() => {}, {
      schedule: atOnce(6),
      maxInFlight: 4,
      sendForS: 0.05,
      graceS: 0.05,
    });
    const { records } = await collectLoad(plan, send);
    expect(records.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    for (const { failure } of records) {
      expect(failure).toEqual({
        class: "interrupted",
        message: "given up 0.05 s after the time to send in",
      });
    }
    expect(server.requests).toHaveLength(4);
  });

  test("connections are used again when asked, and are not otherwise", async () => {
    for (const [keepAlive, connections] of [
      [true, 2],
      [false, 8],
    ] as const) {
      const plan = await planAgainst(burst, { schedule: atOnce(8), maxInFlight: 2, keepAlive });
      const { records } = await collectLoad(plan, send);
      expect(records.filter(({ failure }) => failure === null)).toHaveLength(8);
      expect(server.connections()).toBe(connections);
      if (keepAlive) await server.close();
    }
  });

  test("a kept connection that the server closes is no failure", async () => {
    // Each second request finds its connection closed, without an answer.
    const served = new WeakSet<Socket>();
    const handler: MockHandler = (request, socket) => {
      if (served.has(socket)) return void socket.destroy();
      served.add(socket);
      return burst(request, socket);
    };
    const plan = await planAgainst(handler, {
      schedule: atOnce(6),
      maxInFlight: 1,
      keepAlive: true,
    });
    const { records } = await collectLoad(plan, send);
    expect(records.map(({ failure }) => failure)).toEqual(Array(6).fill(null));
  });

  test("a reply that ends with its connection is not taken for one to keep", async () => {
    const plan = await planAgainst(untilClose, {
      schedule: atOnce(3),
      maxInFlight: 1,
      keepAlive: true,
    });
    const { records } = await collectLoad(plan, send);
    expect(records.map(({ failure }) => failure)).toEqual([null, null, null]);
    expect(records.map(({ text }) => text)).toEqual(["a", "a", "a"]);
    expect(server.connections()).toBe(3);
  });
});

test("a reply that repeats itself in each of a thousand events is read whole", async () => {
  const events = Array.from({ length: 1000 }, (_, i) => {
    const text = 'é"x '.repeat(i + 1);
    const ids = Array.from({ length: i + 1 }, (_id, k) => 1000 + ((k * 7919) % 90_000));
    const meta = { finish_reason: null, prompt_tokens: 3, completion_tokens: i + 1 };
    return `data: ${JSON.stringify({ text, output_ids: ids, meta_info: meta })}\n\n`;
  });
  const backend = backendOf["sglang-native"];
  const plan = await planAgainst(
    (_request, socket) =>
      void socket.end(`HTTP/1.1 200 OK\r\n\r\n${events.join("")}data: [DONE]\n\n`),
    { format: { newReader: () => backend.newReader(defaultOptions), textPath: backend.textPath } },
  );
  const [record] = (await collectLoad(plan, sendNative)).records;
  expect(record!.failure).toBeNull();
  expect(record!.text).toBe('é"x '.repeat(1000));
  expect(record!.itlsS).toHaveLength(999);
  expect(record!.usage).toEqual({ promptTokens: 3, completionTokens: 1000 });
});
