/**
 * Server-sent events. Bytes are queued by the response as fast as they are made, so a client that stops reading
 * would collect them without bound: one that falls too far behind is dropped.
 */
const encoder = new TextEncoder();
const backlogBytesMax = 1 << 20;

const headers = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no", // proxies must not collect events
};

export const doneEvent = "data: [DONE]\n\n";

/** One response and its writing side. */
export class EventStream {
  private readonly body: ReadableStream<Uint8Array>;
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  private onLost = () => {};
  private open = true;

  constructor() {
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.controller = controller),
        cancel: () => this.lost(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
    );
  }

  /** @param onLost called once if the client leaves, or is dropped, before the end. */
  response(onLost: () => void): Response {
    this.onLost = onLost;
    return new Response(this.body, { headers });
  }

  /** Sends complete events, framing included. Nothing happens once the client is gone. */
  send(events: string): void {
    if (!this.open) return;
    try {
      this.controller.enqueue(encoder.encode(events));
    } catch {
      return this.lost(); // the connection went away a moment ago
    }
    if ((this.controller.desiredSize ?? 0) < -backlogBytesMax) {
      this.controller.error(new Error("the client reads too slowly"));
      this.lost();
    }
  }

  end(): void {
    if (!this.open) return;
    this.open = false;
    try {
      this.controller.close();
    } catch {
      // the connection went away a moment ago, and nothing is left to abort
    }
  }

  private lost(): void {
    if (!this.open) return;
    this.open = false;
    this.onLost();
  }
}
