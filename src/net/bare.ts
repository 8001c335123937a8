/** The bare client: a yardstick for the real one. */
import { checked, netLibrary } from "./library.ts";

/** Seconds since the start of the run. */
export interface BareStream {
  readonly sentS: number;
  /** NaN: did not come. */
  readonly eventsS: Float64Array;
}

/** Sends `request` to 127.0.0.1 over `streams` connections at once; blocks until all have ended. */
export function runBare(
  port: number,
  request: Uint8Array,
  streams: number,
  events: number,
): BareStream[] {
  const out = new Float64Array(streams * (events + 1)).fill(NaN);
  checked(netLibrary().sn_bare_run(port, request, request.length, streams, events, out));
  return Array.from({ length: streams }, (_, i) => {
    const times = out.slice(i * (events + 1), (i + 1) * (events + 1)).map((ns) => ns / 1e9);
    return { sentS: times[0]!, eventsS: times.subarray(1) };
  });
}
