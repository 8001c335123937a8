/** The send loop: requests out on schedule, one record a request back. */
import type { ConnectOptions } from "../runtime/index.ts";
import type { ReplyReader } from "./backends/index.ts";
import { pace } from "./pacer.ts";
import type { BenchRequest, RequestRecord } from "./request.ts";
import { Exchange } from "./transport/exchange.ts";
import { Inbox } from "./transport/inbox.ts";

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
  readonly newReader: () => ReplyReader;
  readonly timeoutMs: number;
  /** Ends the run: nothing more is sent, and what is under way counts as interrupted. */
  readonly signal: AbortSignal;
  readonly onSent: () => void;
  readonly onEnd: (record: RequestRecord) => void;
}

export interface LoadResult {
  /** In order of sending; fewer than the requests when interrupted. */
  readonly records: readonly RequestRecord[];
  readonly durationS: number;
}

export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const { dueS, signal } = plan;
  const inbox = new Inbox();
  const underWay = new Set<Exchange>();
  const replies: Promise<RequestRecord>[] = [];
  const startMs = performance.now();

  const send = async (index: number): Promise<RequestRecord> => {
    const { request, bytes } = plan.requests[index]!;
    const reader = plan.newReader();
    const exchange = new Exchange(plan.endpoint, bytes, reader, inbox, plan.timeoutMs);
    underWay.add(exchange);
    plan.onSent();
    const { sentMs, firstByteMs, status, failure } = await exchange.done;
    underWay.delete(exchange);
    const { ttftS, latencyS, itlsS, text, usage } = reader.reply;
    const record = {
      index,
      promptLen: request.promptLen,
      outputLen: request.outputLen,
      scheduledS: dueS[index]!,
      sentS: (sentMs - startMs) / 1000,
      firstByteS: firstByteMs === null ? null : (firstByteMs - sentMs) / 1000,
      ttftS,
      latencyS,
      itlsS,
      text,
      usage,
      status,
      failure,
    };
    plan.onEnd(record);
    return record;
  };
  const giveUp = (): void => {
    for (const exchange of underWay) {
      exchange.fail({ class: "interrupted", message: "given up on request" });
    }
  };

  signal.addEventListener("abort", giveUp);
  await pace(dueS, startMs, signal, (index) => void replies.push(send(index)));
  const records = await Promise.all(replies);
  signal.removeEventListener("abort", giveUp);
  return { records, durationS: (performance.now() - startMs) / 1000 };
}
