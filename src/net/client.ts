/**
 * The load client: requests that native threads send when they are due, and replies whose lines they stamp when they
 * read them. Nothing here is in a hurry: what has finished waits, stamps and all, until it is taken.
 */
import { checked, counterDoubles, netLibrary, optionText, summaryDoubles } from "./library.ts";

export interface NetClientOptions {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
  /** Network threads. */
  readonly threads: number;
  /** Use connections again. */
  readonly keepAlive: boolean;
  /** Requests under way at once; those that are due wait in order. Infinity: no limit. */
  readonly maxInFlight: number;
  /** After so long nothing more is sent; what was still to be comes back as unsent. Infinity: no end. */
  readonly sendForMs: number;
  /** Of a whole exchange. */
  readonly timeoutMs: number;
  /** Where the generated text lies in an event: `choices.0.text`. */
  readonly textPath: string;
}

/** By place: enum sn_failure of net.h. */
const outcomes = [
  "success",
  "connect",
  "broken",
  "unanswered",
  "cut off",
  "malformed",
  "timeout",
  "interrupted",
  "no memory",
  "unsent",
] as const;
export type NetOutcome = (typeof outcomes)[number];

/** A line of a body as it came, or a run of lines that are like the last template but for their texts. */
export type NetEntry =
  | { readonly kind: "line"; readonly line: string }
  | { readonly kind: "run"; readonly texts: string; readonly count: number };

/** A finished exchange. Times in seconds since the start, NaN where they did not come. */
export interface NetReply {
  readonly index: number;
  readonly outcome: NetOutcome;
  /** 0 without one. */
  readonly errno: number;
  /** HTTP status; 0 without one. */
  readonly status: number;
  readonly dueS: number;
  /** It could be sent: it was due, and there was a place for it. */
  readonly readyS: number;
  readonly sentS: number;
  readonly connectedS: number;
  readonly writtenS: number;
  readonly firstByteS: number;
  readonly endS: number;
  /** When each line of a body of status 200 came in, in seconds since the send; entries cover them in order. */
  readonly stampsS: Float64Array;
  readonly entries: readonly NetEntry[];
  /** Without entries: what the status line says, or what is wrong with the reply. */
  readonly reason: string;
  /** The beginning of a body of another status than 200. */
  readonly errorBody: string;
}

export interface NetCounters {
  readonly sent: number;
  readonly ended: number;
  readonly lines: number;
  readonly bytes: number;
  /** Kept connections that the server had closed meanwhile: sent again over new ones. */
  readonly retried: number;
  readonly cpuS: number;
  /** How long bytes lay ready before they were read. */
  readonly waitS: Spread;
  /** How late, at most, stamps are for it. */
  readonly lateS: Spread;
}

/** Of a distribution. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Kinds of entries: enum EntryKind of native/net/events.h. */
const runKind = 2;
const deltaKind = 3;

export class NetClient {
  readonly #library = netLibrary();
  readonly #handle: number;
  readonly #summary = new Float64Array(summaryDoubles);
  #stamps = new Float64Array(1024);
  #bytes = Buffer.alloc(64 * 1024);

  /** @throws NetError */
  constructor(options: NetClientOptions) {
    const text = optionText({
      address: options.address,
      port: options.port,
      threads: options.threads,
      keep_alive: Number(options.keepAlive),
      max_in_flight: Number.isFinite(options.maxInFlight) ? options.maxInFlight : 0,
      send_for_ms: Number.isFinite(options.sendForMs)
        ? Math.max(1, Math.round(options.sendForMs))
        : 0,
      timeout_ms: options.timeoutMs,
      text: options.textPath,
    });
    this.#handle = checked(this.#library.sn_client_open(text));
  }

  /** Queues a request, to be sent `dueS` seconds after the start. */
  submit(index: number, bytes: Uint8Array, dueS: number): void {
    const { length } = bytes;
    checked(this.#library.sn_client_submit(this.#handle, index, bytes, length, dueS * 1e9));
  }

  /** Starts the clock; returns its time, in ns of CLOCK_MONOTONIC. */
  start(): number {
    return checked(this.#library.sn_client_start(this.#handle));
  }

  /** Sends nothing more; what is under way ends as interrupted, what was not sent is forgotten. */
  cancel(): void {
    checked(this.#library.sn_client_cancel(this.#handle));
  }

  /** The next finished exchange; null if none is. */
  take(): NetReply | null {
    const s = this.#summary;
    if (checked(this.#library.sn_client_take(this.#handle, s)) === 0) return null;
    const [lines, bytes] = [s[10]!, s[11]!];
    const stampsS = this.#takeStamps(lines);
    const body = this.#takeBody(bytes);
    const text = lines > 0 || bytes === 0 ? "\n" : body.toString("utf8");
    const newline = text.indexOf("\n");
    return {
      index: s[0]!,
      outcome: outcomes[s[1]!]!,
      errno: s[2]!,
      status: s[3]!,
      dueS: s[4]! / 1e9,
      readyS: seconds(s[12]!),
      sentS: seconds(s[5]!),
      connectedS: seconds(s[6]!),
      writtenS: seconds(s[7]!),
      firstByteS: seconds(s[8]!),
      endS: seconds(s[9]!),
      stampsS,
      entries: lines > 0 ? readEntries(body) : [],
      reason: text.slice(0, newline),
      errorBody: text.slice(newline + 1),
    };
  }

  counters(): NetCounters {
    const c = new Float64Array(counterDoubles);
    checked(this.#library.sn_client_counters(this.#handle, c));
    const spread = (at: number): Spread => ({
      p50: c[at]! / 1e9,
      p99: c[at + 1]! / 1e9,
      max: c[at + 2]! / 1e9,
    });
    return {
      sent: c[0]!,
      ended: c[1]!,
      lines: c[2]!,
      bytes: c[3]!,
      retried: c[4]!,
      cpuS: c[5]! / 1e9,
      waitS: spread(6),
      lateS: spread(9),
    };
  }

  close(): void {
    checked(this.#library.sn_client_close(this.#handle));
  }

  #takeStamps(count: number): Float64Array {
    if (count > this.#stamps.length) this.#stamps = new Float64Array(2 * count);
    if (count > 0) checked(this.#library.sn_client_stamps(this.#handle, this.#stamps));
    return this.#stamps.slice(0, count);
  }

  #takeBody(count: number): Buffer {
    if (count > this.#bytes.length) this.#bytes = Buffer.alloc(2 * count);
    if (count > 0) checked(this.#library.sn_client_entries(this.#handle, this.#bytes));
    return this.#bytes.subarray(0, count);
  }
}

const seconds = (ns: number): number => (ns < 0 ? NaN : ns / 1e9);

/** The entries of native/net/events.h: {kind, count, bytes} of 32 bits each, then the bytes. */
function readEntries(body: Buffer): NetEntry[] {
  const entries: NetEntry[] = [];
  let before: Uint8Array = new Uint8Array();
  for (let at = 0; at < body.length;) {
    const [kind, count, bytes] = [0, 4, 8].map((i) => body.readUInt32LE(at + i)) as [
      number,
      number,
      number,
    ];
    const content = body.subarray(at + 12, at + 12 + bytes);
    if (kind === runKind) {
      entries.push({ kind: "run", texts: unescaped(content), count });
    } else {
      const line = kind === deltaKind ? applyDelta(before, content) : content;
      entries.push({ kind: "line", line: line.toString("utf8") });
      before = line;
    }
    at += 12 + bytes;
  }
  return entries;
}

/** Texts as JSON writes them, one after the other, are the inside of one JSON string. */
function unescaped(content: Buffer): string {
  const text = content.toString("utf8");
  return text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text;
}

/** The line that a difference makes of the line before: the steps of native/net/delta.h. */
function applyDelta(before: Uint8Array, steps: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at < steps.length;) {
    const copy = steps.readUInt32LE(at);
    const literal = steps.readUInt32LE(at + 4);
    parts.push(before.subarray(from, from + copy), steps.subarray(at + 12, at + 12 + literal));
    from += copy + steps.readUInt32LE(at + 8);
    at += 12 + literal;
  }
  return Buffer.concat(parts);
}
