/** One request and its reply. */
import type { ReplyReader } from "../backends/backend.ts";
import type { Failure } from "../request.ts";
import type { Connection, Connections, ConnectionUser } from "./connection.ts";
import { HttpFormatError, ResponseReader } from "./http.ts";
import type { Inbox } from "./inbox.ts";
import { LineSplitter } from "./sse.ts";
import { tlsAdvice } from "./tls.ts";

const errorBytesMax = 2000;

export interface ExchangeResult {
  /** When the send began, on `performance.now()`'s clock. */
  readonly sentMs: number;
  readonly connectedMs: number | null;
  readonly firstByteMs: number | null;
  readonly status: number | null;
  readonly failure: Failure | null;
}

export class Exchange {
  readonly done: Promise<ExchangeResult>;
  private readonly resolve: (result: ExchangeResult) => void;
  private readonly sentMs: number;
  private readonly connections: Connections;
  private readonly reader: ReplyReader;
  private readonly inbox: Inbox;
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly response: ResponseReader;
  private readonly lines: LineSplitter;
  private connection: Connection;
  /** Over a kept connection: the server may have closed it just as it was used, which is no failure yet. */
  private reused = false;
  private connectedMs: number | null = null;
  private firstByteMs: number | null = null;
  private status: number | null = null;
  private reason = "";
  private errorBytes = Buffer.alloc(0);
  private readMs = 0;
  private failure: Failure | null = null;
  private ended = false;

  /** Connects if no connection is kept, and sends `request`; the clock of the reply starts here. */
  constructor(
    connections: Connections,
    request: Uint8Array,
    reader: ReplyReader,
    inbox: Inbox,
    timeoutMs: number,
  ) {
    const { promise, resolve } = Promise.withResolvers<ExchangeResult>();
    this.done = promise;
    this.resolve = resolve;
    this.connections = connections;
    this.reader = reader;
    this.inbox = inbox;
    this.lines = new LineSplitter((line) => this.takeLine(line));
    this.response = new ResponseReader({
      head: (status, reason) => this.takeHead(status, reason),
      body: (bytes) => this.takeBody(bytes),
    });
    this.timer = setTimeout(() => {
      this.fail({ class: "timeout", message: `no end of the reply after ${timeoutMs / 1000} s` });
    }, timeoutMs);
    this.sentMs = performance.now();
    const user = this.userOf(request);
    const kept = connections.kept(user);
    this.reused = kept !== null;
    this.connection = kept ?? connections.connect(user);
    kept?.write(request);
  }

  /** Gives the request up. */
  fail(failure: Failure): void {
    this.failure ??= failure;
    this.end(false);
  }

  private userOf(request: Uint8Array): ConnectionUser {
    const user: ConnectionUser = {
      open: () => {
        this.connectedMs = performance.now();
        this.connection.write(request);
      },
      data: (bytes) => {
        const atMs = performance.now();
        if (this.ended) return;
        this.firstByteMs ??= atMs;
        const copy = Buffer.from(bytes);
        this.inbox.push({ atMs, read: () => this.read(copy, atMs) });
      },
      closed: (opened, error) => {
        const atMs = performance.now();
        if (this.reused && this.firstByteMs === null && !this.ended) {
          this.reused = false;
          this.connection = this.connections.connect(user);
          return;
        }
        this.inbox.push({ atMs, read: () => this.closed(opened, error, atMs) });
      },
    };
    return user;
  }

  private read(bytes: Uint8Array, atMs: number): void {
    if (this.ended) return;
    this.readMs = atMs;
    try {
      this.response.feed(bytes);
    } catch (error) {
      if (!(error instanceof HttpFormatError)) throw error;
      this.failure ??= { class: "malformed", message: error.message };
    }
    if (this.failure) this.end(false);
    else if (this.response.done) this.endReply();
  }

  private closed(opened: boolean, error: Error | null, atMs: number): void {
    const { endpoint } = this.connections;
    if (this.ended) return;
    this.readMs = atMs;
    const code = (error as { code?: string } | null)?.code ?? error?.message ?? "";
    const broken = (message: string): void =>
      this.fail({ class: "connection", message: message.trim() });
    if (!opened) {
      const advice = endpoint.tls ? tlsAdvice(error) : "";
      broken(`cannot connect to ${endpoint.host}:${endpoint.port} ${code}${advice}`);
    } else if (error) broken(`the connection broke ${code}`);
    else if (this.firstByteMs === null)
      broken("the server closed the connection without an answer");
    else if (this.response.close()) this.endReply();
    else
      this.fail({ class: "cut off", message: "the connection closed before the reply was whole" });
  }

  private takeHead(status: number, reason: string): void {
    this.status = status;
    this.reason = reason;
  }

  private takeBody(bytes: Uint8Array): void {
    if (this.status === 200) this.lines.feed(bytes);
    else if (this.errorBytes.length < errorBytesMax)
      this.errorBytes = Buffer.concat([this.errorBytes, bytes]).subarray(0, errorBytesMax);
  }

  private takeLine(line: string): void {
    this.failure ??= this.reader.line(line, (this.readMs - this.sentMs) / 1000);
  }

  private endReply(): void {
    if (this.status === 200) {
      this.lines.end();
      this.failure ??= this.reader.end();
    } else {
      const detail = this.errorBytes.toString("utf8").trim();
      const message = [this.reason, detail].filter((part) => part !== "").join(": ");
      this.failure = { class: `http ${this.status ?? 0}`, message };
    }
    this.end(this.response.keepsAlive);
  }

  private end(keep: boolean): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    if (keep) this.connections.release(this.connection);
    else this.connection.close();
    const { sentMs, connectedMs, firstByteMs, status, failure } = this;
    this.resolve({ sentMs, connectedMs, firstByteMs, status, failure });
  }
}
