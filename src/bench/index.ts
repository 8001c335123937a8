/** The load generator: a client of any server that speaks one of its wire formats. */
export { parseRateRange } from "./arrivals.ts";
export type { RequestRate } from "./arrivals.ts";
export * from "./options.ts";
export { setAside } from "./results/ledger.ts";
export { outputFiles, type Plan, type PlannedRun, type Series } from "./reproduce/plan.ts";
export { reproduce } from "./reproduce/reproduce.ts";
export type { RequestRecord } from "./request.ts";
export { runBench, servedModel } from "./run.ts";
export type { BenchIo, BenchOutcome, BenchRun } from "./run.ts";
