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
  readonly durationS: number;
  /** When the clock was started, in ns of CLOCK_MONOTONIC; NaN where that clock is not to be had. */
  readonly startNs: number;
  /** null where no native thread sent. */
  readonly client: ClientCost | null;
}

/** What sending and reading took. */
export interface ClientCost {
  readonly threads: number;
  /** Of all network threads. */
  readonly cpuS: number;
  /** How long bytes may have lain ready before they were read and stamped. */
  readonly waitP50S: number;
  readonly waitP99S: number;
  readonly waitMaxS: number;
}

/** Sends all requests; `plan.onEnd` has been told of each when this resolves. */
export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  // A host name is left only where no address of it can be reached; with TLS it is what the certificate is for.
  const { tls, host } = plan.endpoint;
  return tls || isIP(host) === 0 ? sendPlain(plan) : sendNative(plan);
}

/** A load that is small enough to be kept whole: all its records, in order of sending. */
export async function collectLoad(
  plan: LoadPlan,
  send = runLoad,
): Promise<LoadResult & { readonly records: readonly RequestRecord[] }> {
  const records: RequestRecord[] = [];
  const onEnd = (record: RequestRecord): void => {
    records.push(record);
    plan.onEnd(record);
  };
  const result = await send({ ...plan, onEnd });
  return { ...result, records: records.toSorted((a, b) => a.index - b.index) };
}
