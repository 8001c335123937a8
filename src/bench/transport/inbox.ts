/**
 * Time stamps first, reading later. Engines send the tokens of a whole batch at once; if each event were
 * parsed as it came, the last of a thousand would be stamped milliseconds late. So arrivals are queued with
 * their stamps and read when the sockets have gone quiet, or after a short while.
 */
const quietWaitMsMax = 5;

export interface Arrival {
  readonly atMs: number;
  read(): void;
}

export class Inbox {
  private queue: Arrival[] = [];
  private seen = 0;
  private firstMs = 0;

  push(arrival: Arrival): void {
    this.queue.push(arrival);
    if (this.queue.length > 1) return;
    this.firstMs = arrival.atMs;
    this.seen = 0;
    setImmediate(this.drain);
  }

  private readonly drain = (): void => {
    const quiet = this.seen === this.queue.length;
    if (!quiet && performance.now() - this.firstMs < quietWaitMsMax) {
      this.seen = this.queue.length;
      setImmediate(this.drain);
      return;
    }
    const arrivals = this.queue;
    this.queue = [];
    for (const arrival of arrivals) arrival.read();
  };
}
