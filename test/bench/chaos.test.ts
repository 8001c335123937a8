/**
 * Proves that every request ends exactly once and as what it is, whatever the server does: against the native mock,
 * which draws its faults, and against one that is told them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import * as fc from "fast-check";
import { backendOf } from "../../src/bench/backends/index.ts";
import { collectLoad, plainLoad, type LoadPlan } from "../../src/bench/load.ts";
import { mockFormats, wireFormats, type MockFormat } from "../../src/bench/mock/formats.ts";
import { defaultOptions, type BackendName } from "../../src/bench/options.ts";
import type { RequestRecord } from "../../src/bench/request.ts";
import { onceEach } from "../../src/bench/schedule.ts";
import { NetMock, mockFaults, type MockFault } from "../../src/net/mock.ts";
import { trustAny, wayNames, ways } from "./mock/exchange.ts";
import { startMock, tokenEvent, type MockHandler, type MockServer } from "./mock/server.ts";

const post = (body: string) =>
  Buffer.from(`POST /v1 HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`);

function planOf(port: number, bodies: readonly string[], more: Partial<LoadPlan> = {}): LoadPlan {
  const requests = bodies.map((body) => ({ promptLen: 1, outputLen: 4, bytes: post(body) }));
  return {
    ...plainLoad,
    endpoint: { host: "127.0.0.1", port, tls: false },
    schedule: onceEach(new Float64Array(requests.length), (i) => requests[i]!),
    format: formatOf("sglang"),
    signal: new AbortController().signal,
    timeoutMs: 1000, // far more than any answer takes
    ...more,
  };
}

function formatOf(backend: BackendName) {
  const { textPath } = backendOf[backend];
  return { newReader: () => backendOf[backend].newReader(defaultOptions), textPath };
}

const indexes = (records: readonly RequestRecord[]) => records.map(({ index }) => index);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

function countsOf(records: readonly RequestRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { failure } of records) {
    const name = failure?.class ?? "success";
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const backends: Readonly<Record<MockFormat, BackendName>> = {
  completions: "sglang",
  chat: "vllm-chat",
  triton: "trt",
  "llama.cpp": "llama.cpp",
};

/** What each fault of the native mock is, in the middle of a stream. */
const classes: Readonly<Record<MockFault, readonly string[]>> = {
  error_500: ["http 500"],
  // Triton's format has no end of its own, so that half a stream of it and a whole one look alike.
  empty: ["empty", "cut off", "success"],
  reset: ["connection"],
  cut: ["cut off"],
  stall: ["timeout"],
  garbage: ["malformed"],
  error_event: ["error event"],
};

const bodies = (count: number) => upTo(count).map(() => '{"stream": true, "max_tokens": 4}');

describe.each(["native", "plain"] as const)("%s, against the native mock", (way) => {
  const { send } = ways[way];
  const open: NetMock[] = [];
  afterEach(() => {
    for (const mock of open.splice(0)) mock.close();
  });
  const mockOf = (format: MockFormat, faults: Partial<Record<MockFault, number>>, tokens = 4) => {
    const mock = new NetMock(
      {
        address: "127.0.0.1",
        port: 0,
        ttftMs: 1,
        itlMs: 1,
        tokens,
        perWrite: 1,
        lockstep: false,
        seed: 3,
        faults,
      },
      wireFormats[format],
    );
    open.push(mock);
    return mock;
  };

  test.each(mockFormats)("%s: a tenth of each fault", async (format) => {
    const faults = Object.fromEntries(mockFaults.map((fault) => [fault, 100]));
    const { port } = mockOf(format, faults);
    const plan = planOf(port, bodies(300), { format: formatOf(backends[format]) });
    const { records } = await collectLoad(plan, send);
    expect(indexes(records)).toEqual(upTo(300));
    const counts = countsOf(records);
    for (const fault of mockFaults) {
      const name = classes[fault].find((one) => counts[one] !== undefined);
      expect({ fault, name }).toEqual({ fault, name: expect.any(String) });
    }
    expect(counts["success"]!).toBeGreaterThan(50);
    expect(Object.values(counts).reduce((a, b) => a + b)).toBe(300);
  });

  test.each(mockFormats)(
    "%s: as many tokens as the format's own request asks for",
    async (format) => {
      const backend = backendOf[backends[format]];
      const request = { prompt: "a", promptLen: 1, outputLen: 7 };
      const { port } = mockOf(format, {}, 0);
      const plan = planOf(port, [backend.body(request, "m", defaultOptions)]);
      const { records } = await collectLoad({ ...plan, format: formatOf(backends[format]) }, send);
      expect(records.map(({ failure, itlsS }) => [failure, itlsS.length])).toEqual([[null, 6]]);
    },
  );

  test.each(mockFaults)("nothing but %s is one class alone", async (fault) => {
    const { port } = mockOf("completions", { [fault]: 1000 });
    const { records } = await collectLoad(planOf(port, bodies(20)), send);
    const [name] = classes[fault];
    // Two events and then an end without a word are a reply, to a format that asks for no [DONE].
    expect(countsOf(records)).toEqual({ [fault === "empty" ? "success" : name!]: 20 });
  });

  test("over kept connections, a few at a time", async () => {
    const faults = { error_500: 100, reset: 100, cut: 100, garbage: 100, error_event: 100 };
    const { port } = mockOf("completions", faults);
    const { records } = await collectLoad(
      planOf(port, bodies(200), { keepAlive: true, maxInFlight: 8 }),
      send,
    );
    expect(indexes(records)).toEqual(upTo(200));
    expect(Object.keys(countsOf(records)).sort()).toEqual([
      "connection",
      "cut off",
      "error event",
      "http 500",
      "malformed",
      "success",
    ]);
  });
});

const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const whole = `${head}${tokenEvent("a")}data: [DONE]\n\n`;

/** By name: what the server does with a request, and what that is. */
const deeds = {
  answer: { is: "success", act: (socket: Socket) => socket.end(whole) },
  "hang up": { is: "connection", act: (socket: Socket) => socket.destroy() },
  reset: { is: "connection", act: (socket: Socket) => socket.resetAndDestroy() },
  "say nothing": { is: "timeout", act: () => {} },
  "stall in the middle": {
    is: "timeout",
    act: (socket: Socket) => socket.write(head + tokenEvent("a")),
  },
  "half a head": { is: "cut off", act: (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\nconte") },
  "half a head, for ever": { is: "timeout", act: (socket: Socket) => socket.write("HTTP/1.1 20") },
  "a slow head": {
    is: "success",
    act: async (socket: Socket) => {
      for (const byte of head) {
        socket.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end(whole.slice(head.length));
    },
  },
  "half a line": { is: "malformed", act: (socket: Socket) => socket.end(`${head}data: {"choi`) },
  "an empty body": { is: "empty", act: (socket: Socket) => socket.end(head) },
  "an empty body, counted": {
    is: "empty",
    act: (socket: Socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
  },
  "less than it promised": {
    is: "cut off",
    act: (socket: Socket) =>
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n${tokenEvent("a")}`),
  },
  "500": { is: "http 500", act: (socket: Socket) => socket.end("HTTP/1.1 500 No\r\n\r\nboom") },
  "503, without a body": {
    is: "http 503",
    act: (socket: Socket) => socket.end("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"),
  },
  "no HTTP": { is: "malformed", act: (socket: Socket) => socket.end("SSH-2.0-OpenSSH_9\r\n\r\n") },
  "an error event": {
    is: "error event",
    act: (socket: Socket) => socket.end(`${head}data: {"error": {"message": "boom"}}\n\n`),
  },
} as const;
type Deed = keyof typeof deeds;
const deedNames = Object.keys(deeds) as Deed[];

const act: MockHandler = ({ body }, socket) => void deeds[body as Deed].act(socket);

describe.each(wayNames)("%s, against one that is told", (way) => {
  const { send, tls } = ways[way];
  let server: MockServer;
  let distrust: () => void;
  beforeAll(async () => {
    server = await startMock(act, undefined, tls);
    distrust = trustAny();
  });
  afterAll(() => {
    distrust();
    return server.close();
  });

  async function endAsTheyAre(names: readonly Deed[], more: Partial<LoadPlan>): Promise<void> {
    const endpoint = { host: "127.0.0.1", port: server.port, tls };
    const { records } = await collectLoad(planOf(server.port, names, { endpoint, ...more }), send);
    expect(indexes(records)).toEqual(upTo(names.length));
    expect(records.map(({ failure }, i) => [names[i], failure?.class ?? "success"])).toEqual(
      names.map((name) => [name, deeds[name].is]),
    );
  }

  test("everything at once", () => endAsTheyAre(deedNames, {}));

  test("any mixture, few or many at a time, kept connections or not", async () => {
    const ending = deedNames.filter((name) => deeds[name].is !== "timeout");
    const mixture = fc.array(fc.constantFrom(...ending), { minLength: 1, maxLength: 40 });
    const limit = fc.constantFrom(1, 3, Infinity);
    await fc.assert(
      fc.asyncProperty(mixture, limit, fc.boolean(), (names, maxInFlight, keepAlive) =>
        endAsTheyAre(names, { maxInFlight, keepAlive, timeoutMs: 60_000 }),
      ),
      { numRuns: 40 },
    );
  });

  test("given up in the middle: what was sent is there once, and nothing else", async () => {
    const controller = new AbortController();
    const names = upTo(60).map((i) => deedNames[i % deedNames.length]!);
    const ended: number[] = [];
    const plan = planOf(server.port, names, {
      endpoint: { host: "127.0.0.1", port: server.port, tls },
      signal: controller.signal,
      maxInFlight: 4,
      onEnd: ({ index }) => {
        ended.push(index);
        if (ended.length === 10) controller.abort();
      },
    });
    const { records } = await collectLoad(plan, send);
    expect(indexes(records)).toEqual(upTo(records.length));
    expect(ended.toSorted((a, b) => a - b)).toEqual(indexes(records));
    expect(records.length).toBeLessThan(60);
    expect(
      records.every(
        ({ failure, index }) =>
          failure?.class === "interrupted" ||
          (failure?.class ?? "success") === deeds[names[index]!].is,
      ),
    ).toBe(true);
  });
});
