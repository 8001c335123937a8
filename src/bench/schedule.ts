/**
 * What is sent, and when: requests by number, each with its time. A schedule is data; how it is kept is for the
 * transports. (A request that waits for the reply of another would be one whose time depends on a record.)
 */
import type { BenchRequest } from "./request.ts";

/** A request with its bytes ready: nothing is encoded while its latency runs. */
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

/** Writes a request out: when it is handed over to be sent, so that not all are in memory at once. */
export type Write<R> = (request: R) => PreparedRequest;

/** Of requests that are written out already. */
export const asTheyAre: Write<PreparedRequest> = (request) => request;

/** Each request once, at its time. */
export function onceEach<R>(requests: readonly R[], dueS: Float64Array, write: Write<R>): Schedule {
  return {
    count: requests.length,
    dueS: (index) => dueS[index]!,
    request: (index) => write(requests[index]!),
  };
}

/**
 * The requests over and over, at these times (null: all are due from the start on, however many there are). `renewed`
 * gives those of the second round and later ones as new to the server.
 */
export function roundAndRound<R>(
  requests: readonly R[],
  dueS: Float64Array | null,
  write: Write<R>,
  renewed: (index: number, round: number) => R,
): Schedule {
  return {
    count: dueS?.length ?? Infinity,
    dueS: (index) => dueS?.[index] ?? 0,
    request: (index) => {
      const round = Math.floor(index / requests.length);
      const place = index % requests.length;
      return write(round === 0 ? requests[place]! : renewed(place, round));
    },
  };
}
