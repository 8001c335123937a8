/**
 * Server-sent events. Bytes are queued by the response as fast as they are made, so a client that stops reading
 * would collect them without bound: one that falls too far behind is dropped.
 */
const encoder = new TextEncoder();
/** What a client may have left unread when more comes. Events of one moment may be larger together. */
const backlogBytesMax = 8 * 2 ** 20;

const headers = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no", // proxies must not collect events
};

export const doneEvent = "data: [DONE]\n\n";

/** Why a client gets no more: it has left, or it reads too slowly and was dropped. */
export type LossReason = "gone" | "slow";

/** One response and its writing side. */
export class EventStream {
  private readonly body: ReadableStream<Uint8Array>;
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  private onLost: (reason: LossReason) => void = () => {};
  private open = true;
  private unsent = "";

  constructor() {
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.controller = controller),
        cancel: () => this.lost("gone"),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
    );
  }

  /** @param onLost called once if the client leaves, or is dropped, before the end. */
  response(onLost: (reason: LossReason) => void): Response {
    this.onLost = onLost;
    return new Response(this.body, { headers });
  }

  /**
   * Sends complete events, framing included; those of one step of the engine go together. Nothing happens once
   * the client is gone.
   */
  send(events: string): void {
    if (!this.open) return;
    if (this.unsent === "") queueMicrotask(() => this.flush());
    this.unsent += events;
  }

  end(): void {
    this.flush();
    if (!this.open) return;
    this.open = false;
    try {
      this.controller.close();
    } catch {
      // the connection went away a moment ago, and nothing is left to abort
    }
  }

  private flush(): void {
    if (!this.open || this.unsent === "") return;
    if ((this.controller.desiredSize ?? 0) < -backlogBytesMax) {
      this.controller.error(); // Bun writes any reason to standard error, with the source around it
      return this.lost("slow");
    }
    try {
      this.controller.enqueue(encoder.encode(this.unsent));
      this.unsent = "";
    } catch {
      this.lost("gone"); // the connection went away a moment ago
    }
  }

  private lost(reason: LossReason): void {
    if (!this.open) return;
    this.open = false;
    this.onLost(reason);
  }
}
