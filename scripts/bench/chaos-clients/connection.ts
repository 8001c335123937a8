/** A TCP connection that can misbehave: stop reading, break off anywhere, send rubbish. */
import { connect, type Socket } from "node:net";
import { ResponseReader } from "../../../src/bench/transport/http.ts";

/** A reply as far as it came. */
export interface Reply {
  /** Null if not even the head came. */
  readonly status: number | null;
  readonly text: string;
  /** The reply has ended as HTTP says; else the connection has. */
  readonly whole: boolean;
}

export class Connection {
  readonly #socket: Socket;
  #reply = new ReplyCollector();
  #open = true;
  /** Called after anything has come or the connection has closed. */
  #onNews = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.#reply.feed(bytes);
      this.#onNews();
    });
    socket.on("error", () => {}); // a close follows
    socket.on("close", () => {
      this.#open = false;
      this.#onNews();
    });
  }

  /** @throws Error with `code` if the server does not take it. */
  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  get open(): boolean {
    return this.#open;
  }

  get receivedBytes(): number {
    return this.#reply.bytes;
  }

  write(bytes: Uint8Array | string): void {
    if (this.#open) this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends it in order. */
  end(): void {
    this.#socket.end();
    this.#socket.destroy();
  }

  /** Ends it as a crashed client does, or one behind a broken network. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Waits until the reply or the connection has ended; the next reply begins after that. */
  async reply(timeoutMs: number): Promise<Reply> {
    await this.#until(() => this.#reply.whole || !this.#open, timeoutMs);
    const { status, text, whole } = this.#reply.take(!this.#open);
    this.#reply = new ReplyCollector();
    return { status, text, whole };
  }

  /** Waits until at least so many bytes of the reply, its head included, have come; or its end. */
  async received(bytes: number, timeoutMs: number): Promise<void> {
    const enough = () => this.#reply.bytes >= bytes || this.#reply.whole || !this.#open;
    await this.#until(enough, timeoutMs);
  }

  async #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Timeout(timeoutMs)), timeoutMs);
    this.#onNews = () => void (condition() && resolve());
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#onNews = () => {};
    }
  }
}

export class Timeout extends Error {
  constructor(timeoutMs: number) {
    super(`no end of the reply after ${timeoutMs / 1000} s`);
  }
}

class ReplyCollector {
  bytes = 0;
  #status: number | null = null;
  readonly #parts: Uint8Array[] = [];
  #broken = false;
  readonly #reader = new ResponseReader({
    head: (status) => (this.#status = status),
    body: (bytes) => this.#parts.push(bytes.slice()),
  });

  feed(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    try {
      this.#reader.feed(bytes);
    } catch {
      this.#broken = true;
    }
  }

  get whole(): boolean {
    return this.#reader.done;
  }

  take(closed: boolean): Reply {
    const whole = !this.#broken && (this.whole || (closed && this.#reader.close()));
    return { status: this.#status, text: Buffer.concat(this.#parts).toString("utf8"), whole };
  }
}
