/** The load generator: a client of any server that speaks one of its wire formats. */
export { parseRateRange } from "./arrivals.ts";
export type { RequestRate } from "./arrivals.ts";
export * from "./options.ts";
export type { RequestRecord } from "./request.ts";
export { runBench } from "./run.ts";
export type { BenchIo, BenchOutcome, BenchRun } from "./run.ts";
