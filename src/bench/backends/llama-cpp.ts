/**
 * `/completion` of llama.cpp's server. Its stream has no `[DONE]`: an event with `stop` true ends it, and one that
 * ends without has been cut off. Events count the tokens so far, so no two are alike but for their text.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps, parseJson } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest, Failure } from "../request.ts";
import { readLine } from "../transport/sse.ts";
import type { Backend, ReplyReader } from "./backend.ts";
import { Reply, emptyReply, errorEvent, extraFields, malformed } from "./backend.ts";

export const llamaCppCompletion: Backend = {
  path: "/completion",
  authorized: true,
  takesIds: true,
  body: writeBody,
  newReader: (options) => new CompletionReader(options),
  // Older servers do not count in every event.
  textPath: "content",
};

/** Prompts that share nothing are not to be compared with what a slot holds, so the cache is for shared prefixes alone. */
function writeBody(
  { prompt, outputLen }: BenchRequest,
  _model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    prompt,
    n_predict: outputLen,
    temperature: float(options.temperature),
    stream: !options.disableStream,
    ignore_eos: !options.disableIgnoreEos,
    cache_prompt: options.datasetName === "generated-shared-prefix",
    ...extraFields(options),
  };
  return jsonDumps(fields);
}

interface CompletionEvent {
  readonly content?: unknown;
  readonly stop?: unknown;
  readonly tokens_predicted?: unknown;
  readonly tokens_evaluated?: unknown;
  readonly error?: unknown;
}

class CompletionReader implements ReplyReader {
  readonly reply: Reply;
  private empty = true;
  private stopped = false;

  constructor({ compat }: BenchOptions) {
    this.reply = new Reply(compat === "0.2.7");
  }

  line(line: string, atS: number): Failure | null {
    // Errors in a stream have a field name of their own.
    const read = readLine(line.startsWith("error:") ? `data:${line.slice(6)}` : line);
    if (!read) return null;
    this.empty = false;
    this.reply.latencyS = atS;
    try {
      return this.event((parseJson(read.payload) ?? {}) as CompletionEvent, atS);
    } catch {
      return malformed(`an event is not JSON: '${read.payload.slice(0, 80)}'`);
    }
  }

  like(texts: string, atS: Float64Array): void {
    this.reply.tokens(texts, atS);
  }

  end(): Failure | null {
    if (this.empty) return emptyReply;
    if (this.stopped) return null;
    return { class: "cut off", message: "the stream ended without an event of stop: true" };
  }

  private event(event: CompletionEvent, atS: number): Failure | null {
    const { content, stop, tokens_predicted: output, tokens_evaluated: input } = event;
    if (typeof content !== "string") {
      // Old servers wrote the error itself, newer ones an object that holds it.
      const error = event.error ?? ("message" in event ? event : null);
      return error ? errorEvent(error) : malformed("an event without content");
    }
    if (content !== "") this.reply.token(content, atS);
    if (stop === true) this.stopped = true;
    if (typeof output === "number") {
      const promptTokens = typeof input === "number" ? input : null;
      this.reply.usage = { promptTokens, completionTokens: output };
    }
    return null;
  }
}
