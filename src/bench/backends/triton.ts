/**
 * `generate_stream` of a Triton server with TensorRT-LLM. It has no way to ignore the end of sequence, so the
 * length is forced by `min_length` and an end id that no vocabulary has. Every event counts as a token, empty
 * or not, and latency ends with the last of them, as in bench_serving; which takes a reply without any for a success.
 * Half a stream and a whole one end alike: only its length tells them apart.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps, parseJson } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest, Failure } from "../request.ts";
import { readLine } from "../transport/sse.ts";
import type { Backend, ReplyReader } from "./backend.ts";
import { Reply, emptyReply, errorEvent, extraFields, malformed } from "./backend.ts";

const impossibleEndId = 1048576;
/** It does not take 0. */
const leastTemperature = 0.000001;

export const tritonGenerateStream: Backend = {
  path: "/v2/models/ensemble/generate_stream",
  authorized: false,
  takesIds: false,
  body: writeBody,
  newReader: () => new GenerateStreamReader(),
  textPath: "text_output",
};

function writeBody(
  { prompt, outputLen }: BenchRequest,
  _model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    accumulate_tokens: true,
    text_input: prompt,
    temperature: float(Math.max(options.temperature, leastTemperature)),
    top_p: float(1),
    max_tokens: outputLen,
    stream: true,
    ...(options.disableIgnoreEos ? {} : { min_length: outputLen, end_id: impossibleEndId }),
    ...extraFields(options),
  };
  return jsonDumps(fields);
}

class GenerateStreamReader implements ReplyReader {
  readonly reply = new Reply(false);
  private empty = true;

  line(line: string, atS: number): Failure | null {
    const read = readLine(line);
    if (!read) return null;
    this.empty = false;
    let event: { text_output?: unknown; error?: unknown } | null;
    try {
      event = parseJson(read.payload) as typeof event;
    } catch {
      return malformed(`an event is not JSON: '${read.payload.slice(0, 80)}'`);
    }
    const text = event?.text_output;
    if (typeof text === "string") {
      this.reply.token(text, atS);
      this.reply.latencyS = atS;
      return null;
    }
    if (event?.error) return errorEvent(event.error);
    return malformed("an event without text_output");
  }

  like(texts: string, atS: Float64Array): void {
    this.reply.tokens(texts, atS);
  }

  end(): Failure | null {
    return this.empty ? emptyReply : null;
  }
}
