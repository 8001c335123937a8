/**
 * Reads the replies of `/v1/completions` and `/v1/chat/completions`, which differ in where a choice holds its text.
 *
 * Departures from bench_serving: it fails a reply that holds a comment or another field of the SSE format, `data:`
 * without a blank, a usage event without choices, or a JSON body on several lines; and it takes a request that the
 * server gave up (a finish_reason of "abort" or "error", an error beside a choice) for a success. Like it, this reader
 * counts `[DONE]` alone as success, and an error event as failure.
 */
import type { BenchOptions } from "../options.ts";
import { parseJson } from "../python-values.ts";
import type { Failure, Usage } from "../request.ts";
import { readLine } from "../transport/sse.ts";
import type { ReplyReader } from "./backend.ts";
import { Reply, abortOf, emptyReply, errorEvent, malformed } from "./backend.ts";

/** The place of the text in a choice. */
export interface TextPlace {
  /** As messages call it: "choices[0].text". */
  readonly name: string;
  /** The value there; undefined where there is no such place. */
  find(choice: object): unknown;
}

interface OpenaiEvent {
  /** "error" where the event itself is one: the flat form of vLLM 0.5 and trtllm-serve. */
  readonly object?: unknown;
  readonly choices?: readonly unknown[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
  } | null;
  readonly error?: unknown;
}

export class OpenaiReader implements ReplyReader {
  readonly reply: Reply;
  private readonly place: TextPlace;
  private empty = true;
  /** Lines that are not events and do not parse alone: a JSON body on several lines. */
  private body = "";
  private bodyS = 0;

  constructor({ compat }: BenchOptions, place: TextPlace) {
    this.reply = new Reply(compat === "0.2.7");
    this.place = place;
  }

  line(line: string, atS: number): Failure | null {
    const read = readLine(line);
    if (!read) return null;
    this.empty = false;
    this.reply.latencyS = atS;
    if (read.payload === "[DONE]") return null;
    let event: unknown;
    try {
      event = parseJson(read.payload);
    } catch {
      if (read.isEvent) return malformed(`an event is not JSON: '${read.payload.slice(0, 80)}'`);
      this.body += `${line}\n`;
      this.bodyS = atS;
      return null;
    }
    return this.event(event, atS);
  }

  like(texts: string, atS: Float64Array): void {
    this.reply.tokens(texts, atS);
  }

  end(): Failure | null {
    if (this.empty) return emptyReply;
    if (this.body === "") return null;
    try {
      return this.event(parseJson(this.body), this.bodyS);
    } catch {
      return malformed(`the reply is neither events nor JSON: '${this.body.slice(0, 80)}'`);
    }
  }

  private event(value: unknown, atS: number): Failure | null {
    const event = (value ?? {}) as OpenaiEvent;
    if (event.usage) this.reply.usage = readUsage(event.usage);
    const error = event.error || (event.object === "error" && event);
    if (error) return errorEvent(error);
    const choice = event.choices?.[0];
    const isChoice = typeof choice === "object" && choice !== null;
    const text = isChoice ? this.place.find(choice) : undefined;
    if (!isChoice || text === undefined) {
      const countsOnly = choice === undefined && (event.choices !== undefined || event.usage);
      return countsOnly ? null : malformed(`an event without ${this.place.name}`);
    }
    if (!isFalse(text)) {
      if (typeof text !== "string") return malformed(`${this.place.name} is not a string`);
      this.reply.token(text, atS);
    }
    return abortOf((choice as { finish_reason?: unknown }).finish_reason);
  }
}

/** Whether Python takes a JSON value as false. */
const isFalse = (value: unknown): boolean =>
  !value || (typeof value === "object" && Object.keys(value).length === 0);

function readUsage(usage: NonNullable<OpenaiEvent["usage"]>): Usage {
  return {
    promptTokens: numberOrNull(usage.prompt_tokens),
    completionTokens: numberOrNull(usage.completion_tokens),
  };
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);
