/** Sends from this thread over the runtime's sockets: for TLS and host names, and where native threads cannot run. */
import type { LoadPlan, LoadResult } from "../load.ts";
import { pace } from "../pacer.ts";
import { Exchange } from "./exchange.ts";
import { Inbox } from "./inbox.ts";

export async function sendPlain(plan: LoadPlan): Promise<LoadResult> {
  const { dueS, signal } = plan;
  const inbox = new Inbox();
  const underWay = new Set<Exchange>();
  const replies: Promise<void>[] = [];
  const startMs = performance.now();

  const send = async (index: number): Promise<void> => {
    const { request, bytes } = plan.requests[index]!;
    const reader = plan.format.newReader();
    const exchange = new Exchange(plan.endpoint, bytes, reader, inbox, plan.timeoutMs);
    underWay.add(exchange);
    plan.onSent(replies.length + 1);
    const { sentMs, connectedMs, firstByteMs, status, failure } = await exchange.done;
    const sinceSent = (ms: number | null): number | null =>
      ms === null ? null : (ms - sentMs) / 1000;
    underWay.delete(exchange);
    const { ttftS, latencyS, itlsS, text, usage } = reader.reply;
    plan.onEnd({
      index,
      promptLen: request.promptLen,
      outputLen: request.outputLen,
      scheduledS: dueS[index]!,
      sentS: (sentMs - startMs) / 1000,
      connectedS: sinceSent(connectedMs),
      firstByteS: sinceSent(firstByteMs),
      ttftS,
      latencyS,
      itlsS,
      text,
      usage,
      httpStatus: status,
      failure,
    });
  };
  const giveUp = (): void => {
    for (const exchange of underWay) {
      exchange.fail({ class: "interrupted", message: "given up on request" });
    }
  };

  signal.addEventListener("abort", giveUp);
  await pace(dueS, startMs, signal, (index) => void replies.push(send(index)));
  await Promise.all(replies);
  signal.removeEventListener("abort", giveUp);
  return { durationS: (performance.now() - startMs) / 1000, startNs: NaN, client: null };
}
