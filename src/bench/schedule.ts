/**
 * What is sent, and when: requests by number, each with its time. A schedule is data; how it is kept is for the
 * transports. (A request that waits for the reply of another would be one whose time depends on a record.)
 */
import type { BenchRequest } from "./request.ts";

/** A request with its bytes ready, so that nothing is encoded while its latency runs. */
export interface PreparedRequest {
  readonly request: BenchRequest;
  readonly bytes: Uint8Array;
}

export interface Schedule {
  /** Infinity: as many as come about in the time to send in. */
  readonly count: number;
  /** Seconds from the start; ascends with the index. */
  dueS(index: number): number;
  request(index: number): PreparedRequest;
}

/** Each request once, at its time. */
export function onceEach(requests: readonly PreparedRequest[], dueS: Float64Array): Schedule {
  return {
    count: requests.length,
    dueS: (index) => dueS[index]!,
    request: (index) => requests[index]!,
  };
}

/**
 * The requests over and over, at these times (null: all are due from the start on, however many there are). `renewed`
 * gives those of the second round and later ones as new to the server.
 */
export function roundAndRound(
  requests: readonly PreparedRequest[],
  dueS: Float64Array | null,
  renewed: (index: number, round: number) => PreparedRequest,
): Schedule {
  return {
    count: dueS?.length ?? Infinity,
    dueS: (index) => dueS?.[index] ?? 0,
    request: (index) => {
      const round = Math.floor(index / requests.length);
      const place = index % requests.length;
      return round === 0 ? requests[place]! : renewed(place, round);
    },
  };
}
