/**
 * Proves that the client makes of exact response bytes what bench_serving makes of them: never failure of what
 * it accepts, and success beyond it only where a departure is named below.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { backendOf } from "../../src/bench/backends/index.ts";
import { defaultOptions } from "../../src/bench/options.ts";
import type { Compat } from "../../src/bench/options.ts";
import { Connections } from "../../src/bench/transport/connection.ts";
import { Exchange } from "../../src/bench/transport/exchange.ts";
import { Inbox } from "../../src/bench/transport/inbox.ts";
import { replay, startMock } from "./mock/server.ts";
import type { MockHandler, MockServer } from "./mock/server.ts";
import { absentNote, readShared, sharedPresent } from "./shared.ts";

interface Outcome {
  success: boolean;
  text: string;
  itl_count: number;
  ttft_positive: boolean;
}
interface Stream {
  api: "openai" | "trt";
  name: string;
  max_tokens: number;
  head: string;
  body: string;
  cuts: number[] | null;
  "0.2.7": Outcome;
  "0.2.13": Outcome;
}

/** Replies that bench_serving fails and a careful client accepts, with the text they carry. */
const departures: Record<string, string> = {
  "no blank after data:": " a b",
  "comment line (keep-alive)": " a",
  "last event carries usage and no choices": " a",
};

let server: MockServer;
let handler: MockHandler;
beforeAll(async () => {
  server = await startMock((request, socket) => handler(request, socket));
});
afterAll(() => server.close());

async function exchange({ api, head, body }: Stream, cuts: readonly number[], compat: Compat) {
  const headBytes = Buffer.byteLength(head);
  const reply = Buffer.from(head + body);
  handler = replay(
    reply,
    cuts.map((cut) => headBytes + cut),
  );
  const options = { ...defaultOptions, compat };
  const reader = backendOf[api === "trt" ? "trt" : "sglang"].newReader(options);
  const endpoint = { host: "127.0.0.1", port: server.port, tls: false };
  const request = Buffer.from("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
  const { failure } = await new Exchange(
    new Connections(endpoint, false),
    request,
    reader,
    new Inbox(),
    10_000,
  ).done;
  const { text, itlsS, ttftS, latencyS } = reader.reply;
  return {
    success: failure === null,
    text,
    itl_count: itlsS.length,
    ttft_positive: ttftS > 0,
    latencyS,
  };
}

const streams = sharedPresent ? readShared<{ streams: Stream[] }>("streams.json").streams : [];
const cases = streams.flatMap((stream) =>
  (["0.2.7", "0.2.13"] as const).map((version) => ({
    title: `${stream.api} ${version}: ${stream.name}`,
    stream,
    version,
  })),
);

describe.skipIf(!sharedPresent)(`golden streams${absentNote}`, () => {
  test.each(cases)("$title", async ({ stream, version }) => {
    const firstEvent = Buffer.from(stream.body).indexOf("\n\n") + 2;
    const actual = await exchange(stream, stream.cuts ?? [firstEvent], version);
    const expected = stream[version];
    const departure =
      stream.api === "openai" && !expected.success ? departures[stream.name] : undefined;
    expect(actual.success).toBe(expected.success || departure !== undefined);
    if (!actual.success) return;
    expect(actual.text).toBe(departure ?? expected.text);
    expect(actual.latencyS).toBeGreaterThan(0);
    if (departure === undefined) {
      expect(actual.itl_count).toBe(expected.itl_count);
      expect(actual.ttft_positive).toBe(expected.ttft_positive);
    }
  });

  test("every departure is still one", () => {
    const failed = streams
      .filter((stream) => !stream["0.2.7"].success)
      .map((stream) => stream.name);
    expect(failed).toEqual(expect.arrayContaining(Object.keys(departures)));
  });

  test("a cut at every byte changes nothing", async () => {
    for (const stream of streams.filter(({ name }) => /UTF-8|CRLF|one JSON body/.test(name))) {
      const length = Buffer.byteLength(stream.body);
      for (let cut = 1; cut < length; cut++) {
        const { success, text } = await exchange(stream, [cut], "0.2.13");
        expect({ cut, success, text }).toEqual({ cut, success: true, text: stream["0.2.13"].text });
      }
    }
  });
});
