/**
 * How much of a run's figures the client can have added, and whether that is too much: then the run says more of the
 * client than of the server, and is marked INVALID.
 */
import type { ClientCost } from "../load.ts";
import type { LoadFigures } from "../metrics.ts";
import type { Latencies } from "./latencies.ts";

/** Of the latency that is judged by it. */
const shareMax = 0.1;
/** Below this nothing is too late, however short the latencies are. */
const floorMs = 1;
/** Of a network thread's time: above it, bytes wait for the thread. */
const cpuShareMax = 0.9;

export interface ClientFinding {
  /** How long bytes may have lain ready before they were stamped; null where the runtime's sockets were used. */
  readonly readWaitMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
  /** Of the time of the network threads; null as above. */
  readonly cpuShare: number | null;
  /** Sentences that say why the run is INVALID; none: it is valid. */
  readonly invalid: readonly string[];
}

export function clientFinding(
  cost: ClientCost | null,
  load: LoadFigures,
  found: Latencies,
  durationS: number,
): ClientFinding {
  const readWaitMs = cost && {
    p50: cost.waitP50S * 1000,
    p99: cost.waitP99S * 1000,
    max: cost.waitMaxS * 1000,
  };
  const cpuShare = cost && cost.cpuS / (durationS * cost.threads);
  const first = found.ttft ?? found.e2e;
  // The mean, since of the gaps of a batch most may be next to nothing.
  const gap = found.itl ?? first;
  const late =
    first &&
    tooMuch(load.lateP99Ms, medianMs(first), "requests were sent late: p99", "median TTFT");
  const slow =
    readWaitMs &&
    gap &&
    tooMuch(
      readWaitMs.p99,
      gap.distribution.mean * 1000,
      "replies waited to be read: p99 wait",
      "mean gap between events",
    );
  const busy =
    cpuShare !== null && cpuShare > cpuShareMax
      ? `the network threads were busy for ${(100 * cpuShare).toFixed(0)} % of the run`
      : null;
  return {
    readWaitMs,
    cpuShare,
    invalid: [late, slow, busy].filter((reason) => typeof reason === "string"),
  };
}

const medianMs = ({ distribution }: NonNullable<Latencies["e2e"]>): number =>
  (distribution.percentiles[50] ?? distribution.mean) * 1000;

function tooMuch(ms: number, judgedMs: number, what: string, name: string): string | null {
  const most = Math.max(floorMs, shareMax * judgedMs);
  if (!(ms > most)) return null;
  return `${what} ${ms.toFixed(2)} ms, over ${most.toFixed(2)} ms (${100 * shareMax} % of the ${name}, at least ${floorMs} ms)`;
}
