/** Sums of what engines have done: from message to message, and over replicas. */
import type { EngineLoad, EngineTotals } from "./api.ts";

/** An engine that has not begun. */
export const idleLoad: EngineLoad = {
  running: 0,
  waiting: 0,
  usedTokens: 0,
  evictableTokens: 0,
  newTokenRatio: 0,
  totals: {
    steps: 0,
    idleUs: 0,
    prefillTokens: 0,
    cachedTokens: 0,
    generatedTokens: 0,
    admissions: 0,
    retractions: 0,
    evictedTokens: 0,
  },
};

export function addTotals(a: EngineTotals, b: EngineTotals): EngineTotals {
  const sum = { ...a };
  for (const name of Object.keys(sum) as (keyof EngineTotals)[]) sum[name] += b[name];
  return sum;
}
