import { Worker } from "node:worker_threads";

/** Entry points of worker threads, relative to `src/`. `scripts/build` compiles each into the executable. */
export const workerEntries = {
  engine: "engine/worker.ts",
  tokenizer: "tokenizer/worker.ts",
  keep: "repl/jobs/keep-worker.ts",
} as const;

/**
 * Starts a worker thread. In the executable a module's URL is that of the first entry, in `src/`; in a
 * checkout it is that of this file.
 */
export function startWorker(name: keyof typeof workerEntries, workerData: unknown): Worker {
  const compiled = import.meta.url.includes("$bunfs");
  const url = new URL(`${compiled ? "./" : "../"}${workerEntries[name]}`, import.meta.url);
  return new Worker(url, { workerData });
}
