/** How many requests met the objectives of --goodput. */
import type { Measurements } from "../measurements.ts";
import { timePerOutputToken } from "../metrics.ts";
import { meets, type Objectives } from "../statistics/goodput.ts";

export interface Goodput {
  readonly objectives: Objectives;
  /** Successes that met all of them. */
  readonly met: number;
  readonly perS: number;
  /** Of all requests that were sent, failed ones included. */
  readonly share: number;
}

export function goodput(
  m: Measurements,
  ok: Int32Array,
  durationS: number,
  objectives: Objectives,
): Goodput {
  const met = ok.filter((i) => meetsObjectives(m, i, objectives)).length;
  return { objectives, met, perS: met / durationS, share: met / m.ended };
}

function meetsObjectives(m: Measurements, i: number, objectives: Objectives): boolean {
  const tokens = m.tokens(i);
  const tpotS = tokens > 1 ? timePerOutputToken(m, i, tokens) : 0;
  return meets({ ttftS: m.columns.ttftS[i]!, tpotS, e2elS: m.columns.latencyS[i]! }, objectives);
}
