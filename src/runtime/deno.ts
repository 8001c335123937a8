/** Deno: FFI, files beside the sources, HTTP server and TCP client. Runs from a checkout only. */
import { readFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
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

/** The part of Deno's global that is used here; its own type declarations would clash with Bun's. */
interface DenoGlobal {
  version: { deno: string };
  dlopen(path: string, symbols: object): { symbols: unknown };
  serve(
    options: { hostname: string; port: number; onListen: () => void },
    handler: (request: Request) => Response | Promise<Response>,
  ): { addr: { port: number }; shutdown(): Promise<void> };
}
const deno = (globalThis as unknown as { Deno: DenoGlobal }).Deno;

function assetPath(name: Asset): string {
  const folder = name.endsWith(".so") ? "native" : "assets";
  return fileURLToPath(new URL(`../../build/${folder}/${name}`, import.meta.url));
}

function open<S extends NativeSymbols>(path: string, symbols: S): NativeLibrary<S> {
  const declarations = Object.fromEntries(
    Object.entries(symbols).map(([name, { args, returns }]) => [
      name,
      { parameters: args, result: returns },
    ]),
  );
  return deno.dlopen(path, declarations).symbols as NativeLibrary<S>;
}

async function serve({ host, port, maxBodyBytes, fetch }: ServeOptions) {
  const server = deno.serve({ hostname: host, port, onListen: () => {} }, (request) => {
    const length = Number(request.headers.get("content-length") ?? 0);
    return length > maxBodyBytes ? new Response(null, { status: 413 }) : fetch(request);
  });
  const stop = async (force: boolean) => {
    const ended = server.shutdown();
    if (!force) await ended;
  };
  return { port: server.addr.port, stop };
}

function connect({ host, port, tls }: ConnectOptions, handler: SocketHandler): () => void {
  const socket: Socket = tls ? connectTls({ host, port }) : connectTcp({ host, port });
  const client: ClientSocket = {
    get remoteAddress() {
      return socket.remoteAddress ?? host;
    },
    write: (bytes) => void socket.write(bytes),
    destroy: () => void socket.destroy(),
  };
  let opened = false;
  let failure: Error | null = null;
  socket.setNoDelay(true);
  socket.on(tls ? "secureConnect" : "connect", () => {
    opened = true;
    handler.open(client);
  });
  socket.on("data", (bytes: Uint8Array) => handler.data(client, bytes));
  socket.on("error", (error: Error) => (failure = error));
  socket.on("close", () => handler.close(opened ? client : null, failure));
  return client.destroy;
}

function selfCommand(): readonly string[] {
  const flags = ["--allow-all", "--unstable-sloppy-imports", "--no-check", "--quiet"];
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  return [process.execPath, "run", ...flags, main];
}

export const runtime: Runtime = {
  name: "deno",
  version: deno.version.deno,
  selfCommand,
  asset: (name) => readFileSync(assetPath(name)),
  libraryPath: assetPath,
  open,
  serve,
  connect,
  collectGarbage: () => globalThis.gc?.(), // there with --v8-flags=--expose-gc only
};
