/** Bun: FFI, embedded files, HTTP server and TCP client. */
import { readFileSync, readlinkSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dlopen, type FFIFunction } from "bun:ffi";
import type {
  Asset,
  ClientSocket,
  ConnectOptions,
  NativeLibrary,
  NativeSymbols,
  Runtime,
  ServeOptions,
  SocketHandler,
} from "./runtime.ts";
import { materialiseLibrary } from "./library.ts";
import { StartQueue } from "./start-queue.ts";
import cpuLibrary from "../../build/native/libservebench_cpu.so" with { type: "file" };
import nullLibrary from "../../build/native/libservebench_null.so" with { type: "file" };
import netLibrary from "../../build/native/libservebench_net.so" with { type: "file" };
import llamaTokenizer from "../../build/assets/llama3_1.tokenizer" with { type: "file" };

const assetPaths: Record<Asset, string> = {
  "libservebench_cpu.so": cpuLibrary,
  "libservebench_null.so": nullLibrary,
  "libservebench_net.so": netLibrary,
  "llama3_1.tokenizer": llamaTokenizer,
};

function open<S extends NativeSymbols>(path: string, symbols: S): NativeLibrary<S> {
  const declarations: Record<string, FFIFunction> = {};
  for (const [name, { args, returns }] of Object.entries(symbols)) {
    declarations[name] = { args: args.map((a) => (a === "buffer" ? "ptr" : a)), returns };
  }
  return dlopen(path, declarations).symbols as unknown as NativeLibrary<S>;
}

/** Path of an embedded file if it is a real file (in a checkout), else null (inside the executable). */
function realPath(name: Asset): string | null {
  const path = assetPaths[name];
  return path.includes("$bunfs") ? null : path;
}

function selfCommand(): readonly string[] {
  if (import.meta.url.includes("$bunfs")) return [process.execPath];
  return [process.execPath, fileURLToPath(new URL("../main.ts", import.meta.url))];
}

const libraryPaths = new Map<string, string>();
function libraryPath(name: Asset & `lib${string}.so`): string {
  let path = libraryPaths.get(name);
  if (path === undefined) {
    path = realPath(name) ?? materialiseLibrary(name, readFileSync(assetPaths[name]), open);
    libraryPaths.set(name, path);
  }
  return path;
}

/**
 * Bun listens with a backlog of 512, which drops connections when thousands arrive at once (they return a
 * second later). Listening again on the bound socket raises it.
 */
function raiseBacklog(port: number, backlog: number): void {
  const portHex = port.toString(16).toUpperCase().padStart(4, "0");
  const tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map((f) => readFileSync(f, "utf8"));
  const listening = tables
    .flatMap((table) => table.split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((f) => f[1]?.endsWith(`:${portHex}`) && f[3] === "0A")
    .map((f) => `socket:[${f[9]}]`);
  const libc = open("libc.so.6", { listen: { args: ["i32", "i32"], returns: "i32" } });
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (listening.includes(readlinkSync(`/proc/self/fd/${fd}`))) libc.listen(Number(fd), backlog);
    } catch {
      continue; // the descriptor of the directory listing itself is gone by now
    }
  }
}

/**
 * Bun accepts all connections that wait, and calls `fetch` for each, in one turn of the event loop. Requests that did
 * their work right there would keep the last of thousands from being accepted, and running streams from their tokens.
 */
async function serve({ host, port, maxBodyBytes, fetch }: ServeOptions) {
  const starts = new StartQueue();
  const server = Bun.serve({
    hostname: host,
    port,
    fetch: async (request) => {
      await starts.next();
      return fetch(request);
    },
    idleTimeout: 0, // the default of 10 s cuts streams that wait for a first token
    maxRequestBodySize: maxBodyBytes,
  });
  const bound = server.port ?? port;
  try {
    raiseBacklog(bound, 4096);
  } catch {
    // Without /proc or libc the default backlog stays; only bursts of over 512 connections notice.
  }
  return { port: bound, stop: (force: boolean) => (force ? server.stop(true) : drain(server)) };
}

/** Bun's own stop would also wait for connections that have sent half a request's head and no more. */
async function drain(server: Bun.Server<undefined>): Promise<void> {
  const stopped = server.stop(false);
  while (server.pendingRequests > 0) await Bun.sleep(10);
  await Promise.race([stopped, Bun.sleep(10)]); // for the last bytes of the last response
  await server.stop(true);
}

interface SocketState {
  readonly handler: SocketHandler;
  readonly tls: boolean;
  /** From when TCP has connected. */
  client: ClientSocket | null;
  /** Nobody waits for it any more. */
  abandoned: boolean;
  /** The handler was told so: with TLS after the handshake. */
  opened: boolean;
  /** Why the handshake failed. */
  refused: Error | null;
  unsent: Uint8Array | null;
  closed: boolean;
}

function end(socket: { data: SocketState }, error: Error | null): void {
  if (socket.data.closed) return;
  socket.data.closed = true;
  const { handler, client, opened, refused } = socket.data;
  handler.close(opened ? client : null, refused ?? error);
}

function begin(socket: { data: SocketState }): void {
  socket.data.opened = true;
  socket.data.handler.open(socket.data.client!);
}

function connect({ host, port, tls }: ConnectOptions, handler: SocketHandler): () => void {
  let failed = false;
  const fail = (error: Error) => {
    if (!failed) handler.close(null, error);
    failed = true;
  };
  const state: SocketState = {
    handler,
    tls,
    client: null,
    abandoned: false,
    opened: false,
    refused: null,
    unsent: null,
    closed: false,
  };
  Bun.connect<SocketState>({
    hostname: host,
    port,
    tls,
    data: state,
    socket: socketEvents(fail),
  }).catch(fail);
  return () => {
    state.abandoned = true;
    state.client?.destroy();
  };
}

function socketEvents(fail: (error: Error) => void): Bun.SocketHandler<SocketState> {
  return {
    open(socket) {
      const client: ClientSocket = {
        remoteAddress: socket.remoteAddress,
        write(bytes) {
          if (socket.data.unsent) {
            socket.data.unsent = Buffer.concat([socket.data.unsent, bytes]);
            return;
          }
          const sent = socket.write(bytes);
          if (sent < bytes.length) socket.data.unsent = bytes.slice(Math.max(sent, 0));
        },
        destroy: () => void socket.end(), // terminate() would reset: servers log that as an error
      };
      socket.data.client = client;
      if (socket.data.abandoned) client.destroy();
      else if (!socket.data.tls) begin(socket);
    },
    handshake(socket, success, error) {
      if (success) begin(socket);
      else socket.data.refused = error;
    },
    drain(socket) {
      const rest = socket.data.unsent;
      if (!rest) return;
      const sent = socket.write(rest);
      socket.data.unsent = sent < rest.length ? rest.subarray(Math.max(sent, 0)) : null;
    },
    data: (socket, bytes) => socket.data.handler.data(socket.data.client!, bytes),
    end: (socket) => void socket.end(),
    close: (socket, error) => end(socket, error ?? null),
    error: (socket, error) => end(socket, error),
    connectError: (_socket, error) => fail(error),
  };
}

export const runtime: Runtime = {
  name: "bun",
  version: Bun.version,
  selfCommand,
  asset: (name) => readFileSync(assetPaths[name]),
  libraryPath,
  open,
  serve,
  connect,
  collectGarbage: () => Bun.gc(true),
};
