/** Sends from native threads, which stamp what they read: nothing that happens in this thread shows in a latency. */
import { setTimeout as sleep } from "node:timers/promises";
import { getSystemErrorName } from "node:util";
import { NetClient, type NetReply } from "../../net/client.ts";
import type { ReplyReader } from "../backends/index.ts";
import { givenUp, scheduledS, type LoadPlan, type LoadResult } from "../load.ts";
import type { Failure, RequestRecord, TokenLengths } from "../request.ts";

/** Finished replies are taken this often; in the first moments of a run oftener. */
const pollMs = 10;
/** How long taking may hold this thread at a time, so that the display and Ctrl-C have their turn. */
const turnMs = 10;
/** Requests are handed over this long before they are due, and so many at most: their bytes are copied. */
const aheadS = 5;
const aheadMax = 50_000;
/** Requests that may end, and others begin in their places, between two times of taking. */
const reserve = 512;

export async function sendNative(plan: LoadPlan): Promise<LoadResult> {
  const run = new NativeRun(plan);
  try {
    return await run.finish();
  } finally {
    run.close();
  }
}

class NativeRun {
  readonly #plan: LoadPlan;
  readonly #client: NetClient;
  #ended = 0;
  /** Handed over and not back yet. */
  readonly #out = new Map<number, TokenLengths>();
  readonly #outMax: number;
  #handedOver = 0;
  #lastEndS = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    // Without times to go by, what may be under way is handed over, and as many that follow at once.
    this.#outMax = plan.schedule.count === Infinity ? 2 * plan.maxInFlight + reserve : aheadMax;
    this.#client = new NetClient({
      address: plan.endpoint.host,
      port: plan.endpoint.port,
      threads: plan.threads,
      keepAlive: plan.keepAlive,
      maxInFlight: plan.maxInFlight,
      sendForMs: plan.sendForS * 1000,
      timeoutMs: plan.timeoutMs,
      textPath: plan.format.textPath,
    });
  }

  /** Resolves when all requests have ended or are given up. */
  async finish(): Promise<LoadResult> {
    const { signal, sendForS, graceS } = this.#plan;
    this.#handOver(0);
    const startNs = this.#client.start();
    const startMs = performance.now();
    const elapsedS = () => (performance.now() - startMs) / 1000;
    while (!signal.aborted && !this.#isOver(elapsedS())) {
      if (elapsedS() > sendForS + graceS) break;
      this.#handOver(elapsedS());
      this.#takeFinished();
      await sleep(Math.min(pollMs, 1 + 100 * elapsedS()));
    }
    if (this.#out.size > 0) await this.#giveUp();
    const { cpuS, waitS, lateS } = this.#client.counters();
    const client = { threads: this.#plan.threads, cpuS, waitS, lateS };
    return { durationS: this.#lastEndS || elapsedS(), startNs, client };
  }

  close(): void {
    this.#client.close();
  }

  #isOver(nowS: number): boolean {
    const { schedule, sendForS } = this.#plan;
    return this.#out.size === 0 && (this.#handedOver === schedule.count || nowS > sendForS);
  }

  #handOver(nowS: number): void {
    const { schedule, sendForS } = this.#plan;
    if (nowS > sendForS) return;
    while (this.#handedOver < schedule.count && this.#out.size < this.#outMax) {
      const index = this.#handedOver;
      const dueS = schedule.dueS(index);
      if (dueS >= nowS + aheadS) return;
      const { bytes, ...lengths } = schedule.request(index);
      this.#client.submit(index, bytes, dueS);
      this.#out.set(index, lengths);
      this.#handedOver++;
    }
  }

  async #giveUp(): Promise<void> {
    this.#client.cancel();
    while (this.#ended < this.#client.counters().sent) {
      this.#takeFinished();
      await sleep(pollMs);
    }
  }

  #takeFinished(): void {
    this.#plan.onSent(this.#client.counters().sent);
    const untilMs = performance.now() + turnMs;
    while (performance.now() < untilMs) {
      const reply = this.#client.take();
      if (!reply) return;
      const lengths = this.#out.get(reply.index)!;
      this.#out.delete(reply.index);
      if (reply.outcome === "unsent") continue;
      const record = recordOf(reply, lengths, this.#plan);
      this.#ended++;
      this.#lastEndS = Math.max(this.#lastEndS, reply.endS);
      this.#plan.onEnd(record);
    }
  }
}

function recordOf(reply: NetReply, lengths: TokenLengths, plan: LoadPlan): RequestRecord {
  const { index, readyS, sentS, connectedS, firstByteS, status } = reply;
  const sinceSent = (s: number): number | null => (Number.isNaN(s) ? null : s - sentS);
  const reader = plan.format.newReader();
  const failure = read(reply, reader) ?? failureOf(reply, plan);
  const { ttftS, latencyS, itlsS, text, usage } = reader.reply;
  return {
    index,
    promptLen: lengths.promptLen,
    outputLen: lengths.outputLen,
    scheduledS: scheduledS(plan, index, readyS),
    readyS,
    sentS,
    connectedS: sinceSent(connectedS),
    firstByteS: sinceSent(firstByteS),
    ttftS,
    latencyS,
    endedS: reply.endS - sentS,
    itlsS,
    text,
    usage,
    httpStatus: status === 0 ? null : status,
    failure,
  };
}

/** Gives the reader all lines; returns why the reply is none, or null. */
function read(reply: NetReply, reader: ReplyReader): Failure | null {
  const { entries, stampsS, outcome, status } = reply;
  let at = 0;
  for (const entry of entries) {
    const count = entry.kind === "run" ? entry.count : 1;
    const atS = stampsS.subarray(at, at + count);
    at += count;
    if (entry.kind === "run") reader.like(entry.texts, atS);
    else {
      const failure = reader.line(entry.line.trim(), atS[0]!);
      if (failure) return failure;
    }
  }
  return outcome === "success" && status === 200 ? reader.end() : null;
}

const connection = (message: string): Failure => ({ class: "connection", message: message.trim() });

function failureOf(reply: NetReply, plan: LoadPlan): Failure | null {
  const { endpoint, timeoutMs } = plan;
  const { outcome, errno, status, reason, errorBody } = reply;
  const code = errno === 0 ? "" : getSystemErrorName(-errno);
  switch (outcome) {
    case "success":
      if (status === 200) return null;
      return {
        class: `http ${status}`,
        message: [reason, errorBody.trim()].filter(Boolean).join(": "),
      };
    case "connect":
      return connection(`cannot connect to ${endpoint.host}:${endpoint.port} ${code}`);
    case "broken":
      return connection(`the connection broke ${code}`);
    case "unanswered":
      return connection("the server closed the connection without an answer");
    case "no memory":
      return connection("no memory for the reply");
    case "cut off":
      return { class: "cut off", message: "the connection closed before the reply was whole" };
    case "malformed":
      return { class: "malformed", message: reason };
    case "timeout":
      return { class: "timeout", message: `no end of the reply after ${timeoutMs / 1000} s` };
    case "interrupted":
    case "unsent":
      return givenUp(plan);
  }
}
