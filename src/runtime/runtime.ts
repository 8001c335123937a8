/**
 * What the program needs of the runtime that carries it. `bun.ts` and `deno.ts` implement it, and nothing
 * else in `src/` names a runtime. What both already share (node:fs, node:worker_threads, fetch, Web streams)
 * is used directly.
 */

/** Arguments cross as 32-bit integers, doubles or typed arrays; never as addresses (Deno refuses numbers as pointers). */
export type NativeArgument = "i32" | "f64" | "buffer";
export interface NativeSignature {
  readonly args: readonly NativeArgument[];
  readonly returns: "i32" | "f64" | "void";
}
export type NativeSymbols = Readonly<Record<string, NativeSignature>>;

type ArgumentValue<A> = A extends "buffer" ? NodeJS.TypedArray | null : number;
type ArgumentValues<L extends readonly NativeArgument[]> = { [I in keyof L]: ArgumentValue<L[I]> };
/** The functions of an opened library, by name. A call blocks its thread until the native side returns. */
export type NativeLibrary<S extends NativeSymbols> = {
  readonly [K in keyof S]: (
    ...args: ArgumentValues<S[K]["args"]>
  ) => S[K]["returns"] extends "void" ? void : number;
};

/** Files that travel inside the executable. */
export type Asset =
  "libservebench_cpu.so" | "libservebench_null.so" | "libservebench_net.so" | "llama3_1.tokenizer";

export interface ServeOptions {
  readonly host: string;
  /** 0 asks for any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}
export interface HttpServer {
  readonly port: number;
  /** Stops accepting; resolves when open responses have ended, or at once with `force`. */
  stop(force: boolean): Promise<void>;
}

/** Events of one TCP connection. Bytes handed to `data` are valid during the call only. */
export interface SocketHandler {
  /** The connection is there; with TLS the handshake is over and the peer trusted. */
  open(socket: ClientSocket): void;
  data(socket: ClientSocket, bytes: Uint8Array): void;
  /** The connection ended; called once, also when it never opened. */
  close(socket: ClientSocket | null, error: Error | null): void;
}
export interface ClientSocket {
  /** IP address of the peer. */
  readonly remoteAddress: string;
  /** Queues all of `bytes`; the runtime sends what the kernel does not take at once when it can. */
  write(bytes: Uint8Array): void;
  /** Ends the connection, in order but without waiting for the peer. */
  destroy(): void;
}
export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  /** Words that start this program again, to which its arguments are added. */
  selfCommand(): readonly string[];
  /** The bytes of an embedded file. */
  asset(name: Asset): Uint8Array;
  /**
   * A path of an embedded library that `open` takes in every thread of this process. The first call
   * materialises it; workers must be given the path, since each materialisation has its own globals.
   */
  libraryPath(name: Asset & `lib${string}.so`): string;
  /** Opens a library. Throws an Error that says which library or symbol is missing. */
  open<S extends NativeSymbols>(path: string, symbols: S): NativeLibrary<S>;
  /** Throws an Error with `code` "EADDRINUSE" when the port is taken. */
  serve(options: ServeOptions): Promise<HttpServer>;
  /** Returns what ends the connection, even one that is not there yet. */
  connect(options: ConnectOptions, handler: SocketHandler): () => void;
  /** Frees at once what is no longer used; by itself that waits until as much again has piled up. */
  collectGarbage(): void;
}
