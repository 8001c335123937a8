/**
 * SGLang's own `/generate`. Every event repeats the whole text so far (with `--incremental-streaming-output` of the
 * server only what is new), and counts its tokens: no two events are alike but for their text, so each is parsed.
 * As in bench_serving an event without a new token is none, whatever its text.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps, parseJson } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest, Failure } from "../request.ts";
import { readLine } from "../transport/sse.ts";
import type { Backend, ReplyReader } from "./backend.ts";
import {
  Reply,
  abortOf,
  emptyReply,
  errorEvent,
  extraFields,
  malformed,
  neverAlike,
} from "./backend.ts";

export const sglangGenerate: Backend = {
  path: "/generate",
  authorized: true,
  takesIds: true,
  body: writeBody,
  newReader: (options) => new GenerateReader(options),
  textPath: neverAlike,
};

function writeBody(
  { prompt, outputLen }: BenchRequest,
  _model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    ...(typeof prompt === "string" ? { text: prompt } : { input_ids: prompt }),
    sampling_params: {
      temperature: float(options.temperature),
      max_new_tokens: outputLen,
      ignore_eos: !options.disableIgnoreEos,
    },
    stream: !options.disableStream,
    ...extraFields(options),
  };
  return jsonDumps(fields);
}

interface GenerateEvent {
  readonly text?: unknown;
  readonly output_ids?: unknown;
  readonly meta_info?: {
    readonly prompt_tokens?: unknown;
    readonly completion_tokens?: unknown;
    readonly finish_reason?:
      { readonly type?: unknown; readonly message?: unknown } | string | null;
  } | null;
  readonly error?: unknown;
}

class GenerateReader implements ReplyReader {
  readonly reply: Reply;
  private tokens = 0;
  private empty = true;
  private finished = false;

  constructor({ compat }: BenchOptions) {
    this.reply = new Reply(compat === "0.2.7");
  }

  line(line: string, atS: number): Failure | null {
    const read = readLine(line);
    if (!read) return null;
    this.empty = false;
    this.reply.latencyS = atS;
    if (read.payload === "[DONE]") {
      this.finished = true;
      return null;
    }
    try {
      return this.event((parseJson(read.payload) ?? {}) as GenerateEvent, atS);
    } catch {
      return malformed(`an event is not JSON: '${read.payload.slice(0, 80)}'`);
    }
  }

  like(): never {
    throw new Error("events of /generate are never alike");
  }

  end(): Failure | null {
    if (this.empty) return emptyReply;
    if (this.finished) return null;
    return { class: "cut off", message: "the stream ended without a finish_reason or [DONE]" };
  }

  private event({ text, output_ids: ids, meta_info: meta, error }: GenerateEvent, atS: number) {
    if (error) return errorEvent(error);
    const count = meta?.completion_tokens;
    if (typeof text !== "string" || typeof count !== "number") {
      return malformed("an event without text and meta_info.completion_tokens");
    }
    const promptTokens = typeof meta?.prompt_tokens === "number" ? meta.prompt_tokens : null;
    this.reply.usage = { promptTokens, completionTokens: count };
    const isDelta = Array.isArray(ids) && ids.length < count;
    if (count > this.tokens) this.reply.token("", atS);
    this.tokens = Math.max(this.tokens, count);
    this.reply.text = isDelta ? this.reply.text + text : text;
    return this.finish(meta?.finish_reason);
  }

  /** An object, null while the request runs; in SGLang 0.2 a string, "None" while it runs. */
  private finish(reason: NonNullable<GenerateEvent["meta_info"]>["finish_reason"]): Failure | null {
    this.finished = !!reason && reason !== "None";
    if (typeof reason !== "object") return abortOf(reason);
    return abortOf(reason?.type, reason?.message);
  }
}
