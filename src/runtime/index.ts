import type { Runtime } from "./runtime.ts";

export type * from "./runtime.ts";

/** The runtime that this process runs on. */
export const runtime: Runtime =
  "Deno" in globalThis
    ? (await import("./deno.ts")).denoRuntime
    : (await import("./bun.ts")).bunRuntime;
