import { createHash } from "node:crypto";
import { mkdirSync, existsSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "./runtime.ts";

const memfdSymbols = { memfd_create: { args: ["buffer", "i32"], returns: "i32" } } as const;

/**
 * Makes the bytes of a library a path that dlopen takes: a memfd, which needs no writable folder and leaves
 * nothing behind; where the kernel refuses it, a file in the cache folder named by its content.
 */
export function materialiseLibrary(name: string, bytes: Uint8Array, open: Runtime["open"]): string {
  return memfd(name, bytes, open) ?? extract(name, bytes);
}

function memfd(name: string, bytes: Uint8Array, open: Runtime["open"]): string | null {
  try {
    const fd = open("libc.so.6", memfdSymbols).memfd_create(Buffer.from(`${name}\0`), 0);
    if (fd < 0) return null;
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    return `/proc/self/fd/${fd}`;
  } catch {
    return null;
  }
}

function extract(name: string, bytes: Uint8Array): string {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir() || tmpdir(), ".cache");
  const folder = join(cache, "servebench", hash);
  const path = join(folder, name);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const partial = `${path}.${process.pid}`;
    writeFileSync(partial, bytes, { mode: 0o700 });
    renameSync(partial, path);
  }
  return path;
}
