/**
 * How much of a run's figures the client can have added, and whether that is too much: then the run says more of the
 * client than of the server, and is marked INVALID.
 */
import type { Spread } from "../../net/client.ts";
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
  /** How long bytes lay ready before they were read; null where the runtime's sockets were used. */
  readonly readWaitMs: Spread | null;
  /** How late, at most, their stamps are for it: the kernel's stamps are not, but what is read together has only one. */
  readonly stampLateMs: Spread | null;
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
  const readWaitMs = cost && inMs(cost.waitS);
  const stampLateMs = cost && inMs(cost.lateS);
  const cpuShare = cost && cost.cpuS / (durationS * cost.threads);
  const first = found.ttft ?? found.e2e;
  // The mean, since of the gaps of a batch most may be next to nothing.
  const gap = found.itl ?? first;
  const late =
    first &&
    tooMuch(load.lateP99Ms, medianMs(first), "requests were sent late: p99", "median TTFT");
  const slow =
    stampLateMs &&
    gap &&
    tooMuch(
      stampLateMs.p99,
      gap.distribution.mean * 1000,
      "replies were stamped late: p99",
      "mean gap between events",
    );
  const busy =
    cpuShare !== null && cpuShare > cpuShareMax
      ? `the network threads were busy for ${(100 * cpuShare).toFixed(0)} % of the run`
      : null;
  return {
    readWaitMs,
    stampLateMs,
    cpuShare,
    invalid: [late, slow, busy].filter((reason) => typeof reason === "string"),
  };
}

const inMs = ({ p50, p99, max }: Spread): Spread => ({
  p50: p50 * 1000,
  p99: p99 * 1000,
  max: max * 1000,
});

const medianMs = ({ distribution }: NonNullable<Latencies["e2e"]>): number =>
  (distribution.percentiles[50] ?? distribution.mean) * 1000;

function tooMuch(ms: number, judgedMs: number, what: string, name: string): string | null {
  const most = Math.max(floorMs, shareMax * judgedMs);
  if (!(ms > most)) return null;
  return `${what} ${ms.toFixed(2)} ms, over ${most.toFixed(2)} ms (${100 * shareMax} % of the ${name}, at least ${floorMs} ms)`;
}
