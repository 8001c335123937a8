/**
 * A server for tests of the client: raw sockets, so that every byte of a reply and every cut between writes is
 * the test's to choose. It records what it was sent.
 */
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { cert, key } from "./certificate.ts";

export interface MockRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}
export type MockHandler = (request: MockRequest, socket: Socket) => void | Promise<void>;

export interface MockServer {
  readonly port: number;
  readonly requests: MockRequest[];
  readonly connections: () => number;
  close(): Promise<void>;
}

/** What a client asks beside the load. */
const sidePages = ["/metrics", "/get_server_info", "/version"];

/**
 * Answers with `handler`, but `/v1/models` with one model called "tok", and what is asked beside the load with `pages`:
 * a body a path, else 404. That is not recorded, nor are its connections counted.
 */
export async function startMock(
  handler: MockHandler,
  pages: (path: string) => string | undefined = () => undefined,
  tls = false,
): Promise<MockServer> {
  const requests: MockRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const onSocket = (socket: Socket): void => {
    let counted = false;
    sockets.add(socket);
    let received: Uint8Array = new Uint8Array();
    socket.setNoDelay(true);
    socket.on("error", () => {}); // clients of these tests hang up as they like
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      const request = parseRequest(Buffer.from(received));
      if (!request) return;
      received = new Uint8Array();
      if (sidePages.some((path) => request.path.endsWith(path))) {
        const page = pages(request.path);
        socket.end(response(page === undefined ? 404 : 200, {}, page ?? ""));
        return;
      }
      if (!counted) connections++;
      counted = true;
      if (request.path.endsWith("/v1/models")) {
        socket.end(
          response(200, { "content-type": "application/json" }, '{"data": [{"id": "tok"}]}'),
        );
        return;
      }
      requests.push(request);
      void handler(request, socket);
    });
  };
  const server = tls ? createTlsServer({ cert, key }, onSocket) : createServer(onSocket);
  server.on("tlsClientError", () => {}); // nor do all trust it
  await listen(server);
  const { port } = server.address() as { port: number };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, requests, connections: () => connections, close };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve);
  });
}

function parseRequest(bytes: Buffer): MockRequest | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first, ...fields] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers = new Map(
    fields.map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }),
  );
  const length = Number(headers.get("content-length") ?? 0);
  if (bytes.length < end + 4 + length) return null;
  const [method, path] = first!.split(" ");
  return { method: method!, path: path!, headers, body: bytes.toString("utf8", end + 4) };
}

export function response(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Reason\r\n${fields.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export const tokenEvent = (text: string): string =>
  `data: ${JSON.stringify({ id: "c", object: "text_completion", choices: [{ index: 0, text, finish_reason: null }] })}\n\n`;

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const streamHead =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

export interface Pace {
  readonly ttftMs: number;
  readonly itlMs: number;
}

/** Streams `max(1, max_tokens)` times " hello", each at its own due time after the request. */
export function paced({ ttftMs, itlMs }: Pace): MockHandler {
  return async ({ body }, socket) => {
    const startMs = performance.now();
    const { max_tokens: asked } = JSON.parse(body) as { max_tokens: number };
    socket.write(streamHead);
    for (let i = 0; i < Math.max(1, asked); i++) {
      await until(startMs + ttftMs + i * itlMs);
      if (socket.destroyed) return;
      socket.write(chunk(tokenEvent(" hello")));
    }
    socket.write(`${chunk("data: [DONE]\n\n")}0\r\n\r\n`);
  };
}

/** Timers may fire a little early, so it looks again. */
async function until(dueMs: number): Promise<void> {
  for (let waitMs = dueMs - performance.now(); waitMs > 0; waitMs = dueMs - performance.now()) {
    await new Promise((resolve) => setTimeout(resolve, Math.ceil(waitMs)));
  }
}

/** Writes `reply` in pieces that end at `cuts` (byte offsets), a turn of the event loop apart, then closes. */
export function replay(reply: Uint8Array, cuts: readonly number[]): MockHandler {
  return async (_request, socket) => {
    const ends = [...cuts.filter((cut) => cut > 0 && cut < reply.length), reply.length];
    let from = 0;
    for (const end of ends) {
      socket.write(reply.subarray(from, end));
      from = end;
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
  };
}

/** Streams `max(1, max_tokens)` times " hello" in one write, in the format that the path asks for. */
export const burst: MockHandler = ({ body, path }, socket) => {
  const { max_tokens: asked } = JSON.parse(body) as { max_tokens: number };
  const triton = path.endsWith("generate_stream");
  const event = triton
    ? `data: ${JSON.stringify({ model_name: "ensemble", text_output: " hello" })}\n\n`
    : tokenEvent(" hello");
  const end = triton ? "" : "data: [DONE]\n\n";
  socket.write(`${streamHead}${chunk(event.repeat(Math.max(1, asked)) + end)}0\r\n\r\n`);
};
