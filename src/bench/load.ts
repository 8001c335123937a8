/** The send loop: requests out on schedule, one record a request back. */
import { isIP } from "node:net";
import type { ConnectOptions } from "../runtime/index.ts";
import type { BenchRequest, RequestRecord } from "./request.ts";
import type { ReplyReader } from "./backends/index.ts";
import { sendNative } from "./transport/native.ts";
import { sendPlain } from "./transport/plain.ts";

/** bench_serving gives up a request after six hours. */
export const requestTimeoutMs = 6 * 60 * 60 * 1000;

/** A request with its bytes ready, so that nothing is encoded while the clock runs. */
export interface PreparedRequest {
  readonly request: BenchRequest;
  readonly bytes: Uint8Array;
}

export interface LoadPlan {
  readonly endpoint: ConnectOptions;
  readonly requests: readonly PreparedRequest[];
  /** Seconds from the start, ascending, one a request. */
  readonly dueS: Float64Array;
  readonly format: ReplyFormat;
  readonly timeoutMs: number;
  /** Ends the run: nothing more is sent, and what is under way counts as interrupted. */
  readonly signal: AbortSignal;
  /** Told now and then how many requests have been sent. */
  readonly onSent: (count: number) => void;
  readonly onEnd: (record: RequestRecord) => void;
}

/** How replies are read. */
export interface ReplyFormat {
  readonly newReader: () => ReplyReader;
  /** Where the generated text lies in an event: `choices.0.text`. */
  readonly textPath: string;
}

export interface LoadResult {
  /** In order of sending; fewer than the requests when interrupted. */
  readonly records: readonly RequestRecord[];
  readonly durationS: number;
  /** When the clock was started, in ns of CLOCK_MONOTONIC; NaN where that clock is not to be had. */
  readonly startNs: number;
}

export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  // A host name is left only where no address of it can be reached; with TLS it is what the certificate is for.
  const { tls, host } = plan.endpoint;
  return tls || isIP(host) === 0 ? sendPlain(plan) : sendNative(plan);
}
