/**
 * `/v1/completions`, the format of SGLang, vLLM and LMDeploy.
 *
 * Departures from bench_serving, all of them from failure to success: it fails a reply that holds a comment
 * or another field of the SSE format, `data:` without a blank, a usage event without choices, or a JSON body
 * on several lines. Like it, this reader counts `[DONE]` alone as success, and an error event as failure.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps, parseJson } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest, Failure, Usage } from "../request.ts";
import { readLine } from "../transport/sse.ts";
import type { Backend, ReplyReader } from "./backend.ts";
import { Reply, errorEvent, extraFields, malformed } from "./backend.ts";

export const openaiCompletions: Backend = {
  path: "/v1/completions",
  authorized: true,
  takesIds: true,
  body: writeBody,
  newReader: (options) => new CompletionReader(options),
  textPath: "choices.0.text",
};

function writeBody(
  { prompt, outputLen }: BenchRequest,
  model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    model,
    prompt,
    temperature: float(0),
    best_of: 1,
    max_tokens: outputLen,
    stream: !options.disableStream,
    ignore_eos: !options.disableIgnoreEos,
    ...extraFields(options),
  };
  return jsonDumps(fields);
}

interface CompletionEvent {
  readonly choices?: readonly ({ readonly text?: unknown } | null)[];
  readonly usage?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
  } | null;
  readonly error?: unknown;
}

class CompletionReader implements ReplyReader {
  readonly reply: Reply;
  private empty = true;
  /** Lines that are not events and do not parse alone: a JSON body on several lines. */
  private body = "";
  private bodyS = 0;

  constructor({ compat }: BenchOptions) {
    this.reply = new Reply(compat === "0.2.7");
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
    if (this.empty) return { class: "empty", message: "the reply is 200 with nothing in it" };
    if (this.body === "") return null;
    try {
      return this.event(parseJson(this.body), this.bodyS);
    } catch {
      return malformed(`the reply is neither events nor JSON: '${this.body.slice(0, 80)}'`);
    }
  }

  private event(value: unknown, atS: number): Failure | null {
    const event = (value ?? {}) as CompletionEvent;
    if (event.usage) this.reply.usage = readUsage(event.usage);
    const choice = event.choices?.[0];
    if (typeof choice === "object" && choice && "text" in choice) {
      const { text } = choice;
      if (isFalse(text)) return null;
      if (typeof text !== "string") return malformed("choices[0].text is not a string");
      this.reply.token(text, atS);
      return null;
    }
    if (event.error) return errorEvent(event.error);
    return event.choices?.length === 0 ? null : malformed("an event without choices[0].text");
  }
}

/** Whether Python takes a JSON value as false. */
const isFalse = (value: unknown): boolean =>
  !value || (typeof value === "object" && Object.keys(value).length === 0);

function readUsage(usage: NonNullable<CompletionEvent["usage"]>): Usage {
  return {
    promptTokens: numberOrNull(usage.prompt_tokens),
    completionTokens: numberOrNull(usage.completion_tokens),
  };
}

const numberOrNull = (value: unknown): number | null => (typeof value === "number" ? value : null);
