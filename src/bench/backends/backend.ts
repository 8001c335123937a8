/** A wire format: how a request is written and how its reply is read. One file each beside this one. */
import type { BenchOptions } from "../options.ts";
import { jsonLoads } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest, Failure, Usage } from "../request.ts";

export interface Backend {
  readonly path: string;
  /** Whether the request carries the bearer token. */
  readonly authorized: boolean;
  /** Whether prompts may be token ids. */
  readonly takesIds: boolean;
  /** The JSON text of a request; byte for byte bench_serving's where it has the backend. */
  body(request: BenchRequest, model: string, options: BenchOptions): string;
  newReader(options: BenchOptions): ReplyReader;
  /** Where the generated text lies in an event: `choices.0.text`. */
  readonly textPath: string;
}

export interface ReplyReader {
  readonly reply: Reply;
  /** Takes a non-blank line of a 200 reply, `atS` seconds after the send. Returns why the request failed, or null. */
  line(line: string, atS: number): Failure | null;
  /**
   * Takes events that are like the last line with text but for their texts, which come as one; not one of them is
   * empty.
   */
  like(texts: string, atS: Float64Array): void;
  /** The body has ended. */
  end(): Failure | null;
}

/** What a reply said, and when. Seconds from the send. */
export class Reply {
  ttftS = 0;
  latencyS = 0;
  readonly itlsS: number[] = [];
  text = "";
  usage: Usage | null = null;
  private lastTokenS: number | null = null;
  private readonly gapBeforeFirst: boolean;

  /** @param gapBeforeFirst counts the time to the first token as a gap too (bench_serving up to 0.2.11). */
  constructor(gapBeforeFirst: boolean) {
    this.gapBeforeFirst = gapBeforeFirst;
  }

  /** An event that carries generated text. */
  token(text: string, atS: number): void {
    if (this.lastTokenS === null) this.ttftS = atS;
    if (this.lastTokenS !== null || this.gapBeforeFirst)
      this.itlsS.push(atS - (this.lastTokenS ?? 0));
    this.lastTokenS = atS;
    this.text += text;
  }

  /** Events, at least one, that carry these texts between them; the last of them ends the reply so far. */
  tokens(texts: string, atS: Float64Array): void {
    for (let i = 0; i < atS.length; i++) this.token("", atS[i]!);
    this.text += texts;
    this.latencyS = atS.at(-1)!;
  }
}

/** What --extra-request-body adds to a request. */
export function extraFields({ extraRequestBody }: BenchOptions): Record<string, PythonValue> {
  return extraRequestBody === null ? {} : jsonLoads(extraRequestBody);
}

/** Asks for a stream with the usage at its end, which OpenAI's servers otherwise leave out; or for a whole answer. */
export function usageWanted({ disableStream }: BenchOptions): Record<string, PythonValue> {
  return disableStream
    ? { stream: false }
    : { stream: true, stream_options: { include_usage: true } };
}

/** The text path of a format whose events differ in more than their text: nothing lies there, so all are parsed. */
export const neverAlike = "no.text";

/** How servers end a request that they gave up with an ordinary event: SGLang and vLLM, LMDeploy, SGLang 0.2. */
const abortReasons: readonly unknown[] = ["abort", "error", "FINISH_ABORT"];

/** What a finish reason says of a request that the server gave up; null of any other. */
export function abortOf(reason: unknown, message?: unknown): Failure | null {
  if (!abortReasons.includes(reason)) return null;
  return errorEvent(message || `the server gave the request up: its finish_reason is '${reason}'`);
}

export const emptyReply: Failure = {
  class: "empty",
  message: "the reply is 200 with nothing in it",
};

export const malformed = (message: string): Failure => ({ class: "malformed", message });

/** An error that the server reports inside a 200 stream: a text, or an object that holds one. */
export function errorEvent(error: unknown): Failure {
  const { message } = error as { message?: unknown };
  const text = [message, error].find((part) => typeof part === "string" && part !== "");
  return { class: "error event", message: (text as string | undefined) ?? JSON.stringify(error) };
}
