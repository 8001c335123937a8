/** Sends from this thread over the runtime's sockets: for TLS and host names, and where native threads cannot run. */
import { givenUp, scheduledS, type LoadPlan, type LoadResult } from "../load.ts";
import { pace } from "../pacer.ts";
import { Connections } from "./connection.ts";
import { Exchange } from "./exchange.ts";
import { Inbox } from "./inbox.ts";

export function sendPlain(plan: LoadPlan): Promise<LoadResult> {
  return new PlainRun(plan).finish();
}

class PlainRun {
  readonly #plan: LoadPlan;
  readonly #connections: Connections;
  readonly #inbox = new Inbox();
  readonly #underWay = new Set<Exchange>();
  readonly #over = new AbortController();
  readonly #startMs = performance.now();
  readonly #ended = Promise.withResolvers<void>();
  /** Requests whose time has come, and those of them that have been sent. */
  #due = 0;
  #sent = 0;
  /** When a request last gave its place back. */
  #freedS = 0;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#connections = new Connections(plan.endpoint, plan.keepAlive);
  }

  async finish(): Promise<LoadResult> {
    const { signal, sendForS, graceS } = this.#plan;
    const giveUp = () => this.#giveUp();
    signal.addEventListener("abort", giveUp);
    const timers = [timer(sendForS, () => this.#stopSending()), timer(sendForS + graceS, giveUp)];
    void this.#pace();
    await this.#ended.promise;
    for (const running of timers) clearTimeout(running);
    signal.removeEventListener("abort", giveUp);
    this.#connections.closeIdle();
    return { durationS: this.#elapsedS(), startNs: NaN, client: null };
  }

  #elapsedS(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  async #pace(): Promise<void> {
    const { schedule } = this.#plan;
    if (this.#plan.signal.aborted) this.#stopSending();
    else if (schedule.count === Infinity) {
      this.#due = Infinity;
      this.#fill();
    } else {
      await pace(schedule, this.#startMs, this.#over.signal, (index) => {
        this.#due = index + 1;
        this.#fill();
      });
    }
    this.#endIfDone();
  }

  /** Sends what is due, as far as the limit lets it. */
  #fill(): void {
    const { maxInFlight } = this.#plan;
    while (this.#sent < this.#due && this.#underWay.size < maxInFlight) {
      if (this.#over.signal.aborted) return;
      const index = this.#sent++;
      void this.#send(index, this.#readyS(index));
    }
  }

  /** When a request could be sent: it was due, and there was a place for it. */
  #readyS(index: number): number {
    const { schedule, maxInFlight } = this.#plan;
    const dueS = schedule.dueS(index);
    return Number.isFinite(maxInFlight) ? Math.max(dueS, this.#freedS) : dueS;
  }

  async #send(index: number, readyS: number): Promise<void> {
    const { schedule, format, timeoutMs, onSent, onEnd } = this.#plan;
    const { promptLen, outputLen, bytes } = schedule.request(index);
    const reader = format.newReader();
    const exchange = new Exchange(this.#connections, bytes, reader, this.#inbox, timeoutMs);
    this.#underWay.add(exchange);
    onSent(this.#sent);
    const { sentMs, connectedMs, firstByteMs, status, failure } = await exchange.done;
    const sinceSent = (ms: number | null): number | null =>
      ms === null ? null : (ms - sentMs) / 1000;
    this.#underWay.delete(exchange);
    this.#freedS = this.#elapsedS();
    const sentS = (sentMs - this.#startMs) / 1000;
    const { ttftS, latencyS, itlsS, text, usage } = reader.reply;
    onEnd({
      index,
      promptLen,
      outputLen,
      scheduledS: scheduledS(this.#plan, index, readyS),
      readyS,
      sentS,
      connectedS: sinceSent(connectedMs),
      firstByteS: sinceSent(firstByteMs),
      ttftS,
      latencyS,
      endedS: (performance.now() - sentMs) / 1000,
      itlsS,
      text,
      usage,
      httpStatus: status,
      failure,
    });
    this.#fill();
    this.#endIfDone();
  }

  #endIfDone(): void {
    const allSent = this.#sent === this.#plan.schedule.count || this.#over.signal.aborted;
    if (allSent && this.#underWay.size === 0) this.#ended.resolve();
  }

  #stopSending(): void {
    this.#over.abort();
    this.#endIfDone();
  }

  #giveUp(): void {
    this.#stopSending();
    for (const exchange of this.#underWay) exchange.fail(givenUp(this.#plan));
  }
}

function timer(afterS: number, then: () => void): ReturnType<typeof setTimeout> | undefined {
  return Number.isFinite(afterS) ? setTimeout(then, afterS * 1000) : undefined;
}
