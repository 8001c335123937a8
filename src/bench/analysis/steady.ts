/** The figures of the steady part of a run alone. */
import type { Measurements } from "../measurements.ts";
import { littlesLaw, type LittlesLaw } from "../statistics/littles-law.ts";
import { steadyWindow, type Window } from "../statistics/steady-state.ts";
import { amounts } from "../statistics/timeline.ts";
import { latencies, type Latencies } from "./latencies.ts";
import { brought, type Counted } from "./throughput.ts";
import { valuesOf } from "../statistics/values.ts";

export interface SteadyState {
  readonly window: Window;
  /** Requests that were sent in the window; the latencies are those of the successes among them. */
  readonly sent: number;
  readonly latencies: Latencies;
  readonly requestsPerS: number;
  readonly outputTokensPerS: number;
  readonly littlesLaw: LittlesLaw;
}

/** null and a reason where the load was not steady. */
export type SteadyFinding =
  { readonly state: SteadyState } | { readonly state: null; readonly reason: string };

export function steadyState(m: Measurements, ok: Int32Array, durationS: number): SteadyFinding {
  const all = m.indices();
  const lives = {
    sentS: valuesOf(all, (i) => m.columns.sentS[i]!),
    endedS: valuesOf(all, (i) => m.columns.sentS[i]! + m.columns.endedS[i]!),
  };
  const window = steadyWindow(lives, durationS);
  if (typeof window === "string") return { state: null, reason: window };
  const { fromS, toS } = window;
  const sentWithin = (i: number): boolean =>
    m.columns.sentS[i]! >= fromS && m.columns.sentS[i]! < toS;
  const perS = (what: Counted): number =>
    amounts(brought[what](m, ok), fromS, toS, 1)[0]! / (toS - fromS);
  return {
    state: {
      window,
      sent: all.filter(sentWithin).length,
      latencies: latencies(m, ok.filter(sentWithin), null),
      requestsPerS: perS("requests"),
      outputTokensPerS: perS("outputTokens"),
      littlesLaw: littlesLaw(lives, window),
    },
  };
}
