/**
 * What is sent, and when: requests by number, each with its time. A schedule is data; how it is kept is for the
 * transports. (A request that waits for the reply of another would be one whose time depends on a record.)
 */
import type { TokenLengths } from "./request.ts";

/** A request with its bytes ready: nothing is encoded while its latency runs. */
export interface PreparedRequest extends TokenLengths {
  readonly bytes: Uint8Array;
}

export interface Schedule {
  /** Infinity: as many as come about in the time to send in. */
  readonly count: number;
  /** Seconds from the start; ascends with the index. */
  dueS(index: number): number;
  /** Made when it is asked for, shortly before it is sent, so that not all are in memory at once. */
  request(index: number): PreparedRequest;
}

/** Each request once, at its time. */
export function onceEach(
  dueS: Float64Array,
  request: (index: number) => PreparedRequest,
): Schedule {
  return { count: dueS.length, dueS: (index) => dueS[index]!, request };
}

/**
 * `requests` of them over and over, at these times (null: all are due from the start on, however many there are);
 * `round` counts from 0.
 */
export function roundAndRound(
  requests: number,
  dueS: Float64Array | null,
  request: (index: number, round: number) => PreparedRequest,
): Schedule {
  return {
    count: dueS?.length ?? Infinity,
    dueS: (index) => dueS?.[index] ?? 0,
    request: (index) => request(index % requests, Math.floor(index / requests)),
  };
}
