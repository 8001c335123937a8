/**
 * The runtime that this process runs on. package.json maps "#runtime" to bun.ts or deno.ts: a static import, since
 * worker threads of an executable built with --bytecode never start when one awaits an import at top level.
 */
export { runtime } from "#runtime";
export type * from "./runtime.ts";
