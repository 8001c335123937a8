/** The C ABI of native/net/net.h as TypeScript: one method a function, errors thrown as sentences. */
import { runtime, type NativeLibrary } from "../runtime/index.ts";

/** Every function of net.h. A test compares this table with the header and with the library. */
export const netSymbols = {
  sn_abi_version: { args: [], returns: "i32" },
  sn_error: { args: ["buffer", "i32"], returns: "i32" },
  sn_client_open: { args: ["buffer"], returns: "i32" },
  sn_client_submit: { args: ["i32", "i32", "buffer", "i32", "f64"], returns: "i32" },
  sn_client_start: { args: ["i32"], returns: "f64" },
  sn_client_cancel: { args: ["i32"], returns: "i32" },
  sn_client_take: { args: ["i32", "buffer"], returns: "i32" },
  sn_client_stamps: { args: ["i32", "buffer"], returns: "i32" },
  sn_client_entries: { args: ["i32", "buffer"], returns: "i32" },
  sn_client_counters: { args: ["i32", "buffer"], returns: "i32" },
  sn_client_close: { args: ["i32"], returns: "i32" },
  sn_mock_open: { args: ["buffer"], returns: "i32" },
  sn_mock_part: { args: ["i32", "i32", "buffer", "i32"], returns: "i32" },
  sn_mock_start: { args: ["i32"], returns: "i32" },
  sn_mock_close: { args: ["i32"], returns: "i32" },
  sn_bare_run: { args: ["i32", "buffer", "i32", "i32", "i32", "buffer"], returns: "i32" },
} as const;

/** Constants of net.h. */
export const abiVersion = 3;
export const summaryDoubles = 13;
export const counterDoubles = 12;

/** A call that the native side refused; the message says what, expected and got. */
export class NetError extends Error {}

type Symbols = NativeLibrary<typeof netSymbols>;
let opened: Symbols | null = null;

/** The library, opened once. @throws Error if it cannot be, or is of another version. */
export function netLibrary(): Symbols {
  if (opened) return opened;
  const path = runtime.libraryPath("libservebench_net.so");
  const library = runtime.open(path, netSymbols);
  const version = library.sn_abi_version();
  if (version !== abiVersion) {
    throw new NetError(
      `${path} has ABI version ${version}, expected ${abiVersion}: run scripts/build`,
    );
  }
  return (opened = library);
}

/** Passes a result on. @throws NetError if it is a refusal. */
export function checked(result: number): number {
  if (result >= 0) return result;
  const text = Buffer.alloc(512);
  const length = netLibrary().sn_error(text, text.length);
  throw new NetError(text.toString("utf8", 0, length));
}

/** Options as the library takes them: "key=value key=value", NUL-terminated. */
export function optionText(options: Readonly<Record<string, string | number>>): Buffer {
  const pairs = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  return Buffer.from(`${pairs.join(" ")}\0`);
}

/** Of the library's ABI. @throws as `netLibrary` */
export const netVersion = (): number => netLibrary().sn_abi_version();
