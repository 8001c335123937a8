/**
 * Reads one HTTP/1.1 response from bytes that arrive in any pieces: interim (1xx) responses, and bodies that
 * are chunked, counted or ended by the close of the connection.
 */
export interface ResponseHandler {
  head(status: number, reason: string): void;
  /** Part of the body; the bytes are valid during the call only. */
  body(bytes: Uint8Array): void;
}

/** The peer does not speak HTTP, or speaks it wrongly. */
export class HttpFormatError extends Error {}

const headBytesMax = 1 << 18;
const newline = 0x0a;

type State =
  "head" | "counted" | "until close" | "chunk size" | "chunk" | "chunk end" | "trailer" | "done";

export class ResponseReader {
  private state: State = "head";
  private line = "";
  private head: string[] = [];
  private headBytes = 0;
  private remaining = 0;
  private http11 = true;
  private announced = "";
  private untilClose = false;
  private readonly handler: ResponseHandler;

  constructor(handler: ResponseHandler) {
    this.handler = handler;
  }

  /** The response has ended by its own rules; nothing more is expected on the connection. */
  get done(): boolean {
    return this.state === "done";
  }

  /** The connection may carry another request, once this response is done. */
  get keepsAlive(): boolean {
    const word = this.http11
      ? !/\bclose\b/i.test(this.announced)
      : /keep-alive/i.test(this.announced);
    return this.done && !this.untilClose && word;
  }

  /** Takes the next bytes. Throws an HttpFormatError. */
  feed(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && !this.done) {
      if (this.state === "until close") {
        this.handler.body(at === 0 ? bytes : bytes.subarray(at));
        return;
      }
      at = this.remaining > 0 ? this.takeBody(bytes, at) : this.takeLine(bytes, at);
    }
  }

  /** The connection has closed. False when the response was not whole by then. */
  close(): boolean {
    if (this.state === "until close") {
      this.state = "done";
      this.untilClose = true;
    }
    return this.done;
  }

  private takeBody(bytes: Uint8Array, from: number): number {
    const to = Math.min(bytes.length, from + this.remaining);
    this.remaining -= to - from;
    this.handler.body(bytes.subarray(from, to));
    if (this.remaining === 0) this.state = this.state === "chunk" ? "chunk end" : "done";
    return to;
  }

  private takeLine(bytes: Uint8Array, from: number): number {
    const end = bytes.indexOf(newline, from);
    const to = end < 0 ? bytes.length : end;
    this.headBytes += to - from;
    if (this.headBytes > headBytesMax)
      throw new HttpFormatError("the response head is over 256 KiB");
    for (let i = from; i < to; i++) this.line += String.fromCharCode(bytes[i]!);
    if (end < 0) return to;
    const line = this.line.replace(/\r$/, "");
    this.line = "";
    this.endLine(line);
    return end + 1;
  }

  private endLine(line: string): void {
    if (this.state === "head") {
      if (line !== "") this.head.push(line);
      else if (this.head.length > 0) this.endHead();
    } else if (this.state === "chunk size") this.startChunk(line);
    else if (this.state === "chunk end") this.state = "chunk size";
    else if (this.state === "trailer" && line === "") this.state = "done";
  }

  private endHead(): void {
    const [statusLine, ...fields] = this.head;
    this.head = [];
    this.headBytes = 0;
    const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine!);
    if (!match) throw new HttpFormatError(`not an HTTP response: '${statusLine!.slice(0, 60)}'`);
    const status = Number(match[1]);
    if (status >= 100 && status < 200) return;
    this.handler.head(status, match[2] ?? "");
    const named = new Map(fields.map(parseField));
    this.http11 = statusLine!.startsWith("HTTP/1.1");
    this.announced = named.get("connection") ?? "";
    this.startBody(status, named);
  }

  private startBody(status: number, fields: ReadonlyMap<string, string>): void {
    const length = fields.get("content-length");
    if (status === 204 || status === 304) this.state = "done";
    else if (/\bchunked\b/i.test(fields.get("transfer-encoding") ?? "")) this.state = "chunk size";
    else if (length === undefined) this.state = "until close";
    else if (!/^\d+$/.test(length)) throw new HttpFormatError(`content-length is '${length}'`);
    else {
      this.remaining = Number(length);
      this.state = this.remaining > 0 ? "counted" : "done";
    }
  }

  private startChunk(line: string): void {
    const size = /^\s*([0-9a-f]{1,13})\s*(?:;|$)/i.exec(line)?.[1];
    if (size === undefined) throw new HttpFormatError(`chunk size is '${line.slice(0, 20)}'`);
    this.headBytes = 0;
    this.remaining = Number.parseInt(size, 16);
    this.state = this.remaining > 0 ? "chunk" : "trailer";
  }
}

function parseField(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  if (colon < 1) throw new HttpFormatError(`not a header field: '${line.slice(0, 60)}'`);
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
}

/** The bytes of a POST. `target` is the path; the connection is not announced to close, as in bench_serving. */
export function postBytes(
  host: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
  body: string,
): Uint8Array {
  const head = [
    `POST ${target} HTTP/1.1`,
    `Host: ${host}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}
