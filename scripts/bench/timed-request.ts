/** One streaming request over a connection of its own, with the time of all that happens to it. */
import { connect } from "node:net";
import { postBytes, ResponseReader } from "../../src/bench/transport/http.ts";
import { LineSplitter } from "../../src/bench/transport/sse.ts";

/** Milliseconds on `performance.now()`'s clock. */
export interface TimedReply {
  readonly startMs: number;
  /** The kernel has taken the connection. */
  readonly connectedMs: number;
  /** First bytes of the response's head: the server has read the request, tokenized and queued it. */
  readonly headMs: number;
  readonly eventMs: readonly number[];
  readonly endMs: number;
  readonly lastEvent: unknown;
  /** Status 200, and the stream has ended with [DONE]. */
  readonly complete: boolean;
}

export interface TimedRequest {
  readonly reply: Promise<TimedReply>;
  /** Resolves with the first event. */
  readonly begun: Promise<void>;
  /** Leaves. */
  cancel(): void;
}

/** POST to /generate; `body` gets `stream`. Never rejects. */
export function timedGenerate(port: number, body: object): TimedRequest {
  const { promise: reply, resolve } = Promise.withResolvers<TimedReply>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const times = { startMs: performance.now(), connectedMs: NaN, headMs: NaN };
  const eventMs: number[] = [];
  let nowMs = NaN;
  let status = 0;
  let line = "";
  let done = false;
  const lines = new LineSplitter((text) => {
    if (text === "data: [DONE]") done = true;
    else {
      line = text;
      eventMs.push(nowMs);
      begin();
    }
  });
  const reader = new ResponseReader({
    head: (code) => (status = code),
    body: (bytes) => lines.feed(bytes),
  });
  const json = [["Content-Type", "application/json"]] as const;
  const bytes = postBytes(
    "127.0.0.1",
    "/generate",
    json,
    JSON.stringify({ ...body, stream: true }),
  );
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("connect", () => {
    times.connectedMs = performance.now();
    socket.write(bytes);
  });
  socket.on("data", (part: Uint8Array) => {
    nowMs = performance.now();
    if (Number.isNaN(times.headMs)) times.headMs = nowMs;
    reader.feed(part);
    if (reader.done) socket.destroy();
  });
  socket.on("error", () => {}); // a close follows
  socket.on("close", () => {
    const complete = done && reader.done && status === 200;
    const lastEvent = line.startsWith("data: ") ? (JSON.parse(line.slice(6)) as unknown) : null;
    resolve({ ...times, eventMs, endMs: performance.now(), lastEvent, complete });
    begin();
  });
  return { reply, begun, cancel: () => void socket.destroy() };
}

/** Milliseconds between neighbouring events. */
export function gapsOf(eventMs: readonly number[]): number[] {
  return eventMs.slice(1).map((ms, i) => ms - eventMs[i]!);
}
