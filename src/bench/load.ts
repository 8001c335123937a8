/** The send loop: requests out on schedule, one record a request back. */
import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import type { Spread } from "../net/client.ts";
import type { ConnectOptions } from "../runtime/index.ts";
import type { Failure, RequestRecord } from "./request.ts";
import type { ReplyReader } from "./backends/index.ts";
import type { Schedule } from "./schedule.ts";
import { sendNative } from "./transport/native.ts";
import { sendPlain } from "./transport/plain.ts";

/** bench_serving gives up a request after six hours. */
export const requestTimeoutMs = 6 * 60 * 60 * 1000;

export interface LoadPlan {
  readonly endpoint: ConnectOptions;
  readonly schedule: Schedule;
  readonly format: ReplyFormat;
  /** Connections are used again; else each request has one of its own. */
  readonly keepAlive: boolean;
  /** Threads that send and read. */
  readonly threads: number;
  /** Requests under way at once. Those that are due wait in order; the wait shows as lag. */
  readonly maxInFlight: number;
  /** After so long nothing more is sent. */
  readonly sendForS: number;
  /** What is under way so long after that is given up. */
  readonly graceS: number;
  readonly timeoutMs: number;
  /** Ends the run: nothing more is sent, and what is under way counts as interrupted. */
  readonly signal: AbortSignal;
  /** Told when the clock starts, and how to ask how far it is while the load goes on. */
  readonly onStart: (progress: () => LoadProgress) => void;
  readonly onEnd: (record: RequestRecord) => void;
}

/** A connection for each request, no limits, no listeners; threads enough for any server that shares the machine. */
export const plainLoad = {
  keepAlive: false,
  threads: Math.max(1, Math.min(4, Math.floor(availableParallelism() / 8))),
  maxInFlight: Infinity,
  sendForS: Infinity,
  graceS: Infinity,
  timeoutMs: requestTimeoutMs,
  onStart: () => {},
  onEnd: () => {},
} as const;

/** What can be told of a load while it goes on, beside the requests that have ended. */
export interface LoadProgress {
  readonly sent: number;
  /** Lines, or events, of replies that have not ended. */
  readonly openLines: number;
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
  /** How long bytes lay ready before they were read. */
  readonly waitS: Spread;
  /** How late, at most, their stamps are for it. */
  readonly lateS: Spread;
}

/** What a request says that was given up, after so long a wait or on Ctrl-C. */
export function givenUp({ signal, graceS }: LoadPlan): Failure {
  const when = signal.aborted ? "on request" : `${graceS} s after the time to send in`;
  return { class: "interrupted", message: `given up ${when}` };
}

/** When a request was to be sent. Where there is always one more, each is due as soon as there is a place for it. */
export function scheduledS({ schedule }: LoadPlan, index: number, readyS: number): number {
  return schedule.count === Infinity ? readyS : schedule.dueS(index);
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
