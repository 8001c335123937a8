/** POST or PUT /generate: SGLang's own endpoint, with ids in and out and one answer for each prompt. */
import type { Hono } from "hono";
import { z } from "zod";
import { Batch, type Job, newRequestId, runBatch } from "../batch.ts";
import { parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { tokenTriples, topTriples } from "../logprobs.ts";
import { dataEvent, topLogprobsMax } from "../openai.ts";
import { encodePrompts, parsePrompts, type PromptList } from "../prompts.ts";
import {
  anything,
  boolean,
  integer,
  type Neutral,
  refuseNotBuilt,
  type Sampling,
  samplingFields,
  samplingNotBuilt,
  string,
  toSampling,
} from "../sampling.ts";
import { doneEvent, EventStream } from "../sse.ts";

const paramsNotBuilt: Neutral = { ...samplingNotBuilt, stream_interval: [1] };
const paramsSchema = z.strictObject(
  {
    ...samplingFields,
    max_new_tokens: integer.nullish(),
    min_new_tokens: integer.nullish(),
    sampling_seed: integer.nullish(),
    // Only tokenizers that are written in Python heed it.
    spaces_between_special_tokens: boolean.nullish(),
    ...Object.fromEntries(Object.keys(paramsNotBuilt).map((name) => [name, anything])),
  },
  "an object",
);

/** A value for all prompts, or a list with one for each. */
const perPrompt = <S extends z.ZodType>(schema: S, what: string) =>
  z.union([schema, z.array(schema)], `${what} or a list of such`).nullish();

const schema = z.object({
  text: anything,
  input_ids: anything,
  sampling_params: anything,
  rid: perPrompt(string, "a string"),
  return_logprob: perPrompt(boolean, "true or false"),
  logprob_start_len: perPrompt(integer, "an integer"),
  top_logprobs_num: perPrompt(integer, "an integer"),
  return_text_in_logprobs: boolean.nullish(),
  stream: boolean.nullish(),
});
type Fields = z.output<typeof schema>;

const notBuilt: Neutral = {
  input_embeds: [],
  image_data: [],
  video_data: [],
  audio_data: [],
  lora_path: [],
  session_params: [],
  custom_logit_processor: [],
  token_ids_logprob: [],
  return_hidden_states: [false],
  return_routed_experts: [false],
  return_prompt_token_ids: [false],
};

/** A parsed request; lists have one entry for each generation, choices of one prompt side by side. */
interface NativeRequest {
  readonly jobs: readonly Job[];
  readonly ids: readonly string[];
  /** Whether the answer is a list. */
  readonly isList: boolean;
  readonly textInLogprobs: boolean;
  readonly receivedMs: number;
}

export function generateRoutes(app: Hono, context: ServerContext): void {
  app.on(["POST", "PUT"], "/generate", async (c) => {
    const receivedMs = performance.now();
    const body = await readJsonObject(c.req.raw, context.options.maxBodyBytes);
    refuseNotBuilt(body, notBuilt);
    const fields = parseFields(schema, body);
    const request = await toRequest(context, fields, receivedMs);
    if (fields.stream) return stream(context, request, c.req.raw.signal);
    const generations = await runBatch(context, request.jobs, c.req.raw.signal);
    const answers = generations.map((_, index) => answerOf(context, request, generations, index));
    return c.json(request.isList ? answers : answers[0]!);
  });
}

async function toRequest(
  context: ServerContext,
  fields: Fields,
  receivedMs: number,
): Promise<NativeRequest> {
  const { prompts, isList } = promptsOf(fields);
  const count = prompts.length;
  const samplings = samplingsOf(fields.sampling_params, count);
  const choiceCount = samplings[0]!.choiceCount;
  const returnLogprob = listOf(fields.return_logprob, count, "return_logprob", false);
  const startLength = listOf(fields.logprob_start_len, count, "logprob_start_len", -1);
  const topCount = listOf(fields.top_logprobs_num, count, "top_logprobs_num", 0);
  const ids = requestIds(fields.rid, count, choiceCount);

  const field = fields.input_ids == null ? "text" : "input_ids";
  const encoded = await encodePrompts(context, prompts, field);
  const jobs = encoded.map((promptIds, i) => ({
    promptIds,
    sampling: samplings[i]!,
    logprobs: returnLogprob[i]
      ? logprobRequest(startLength[i]!, topCount[i]!, promptIds.length)
      : null,
  }));
  return {
    jobs,
    ids,
    isList: isList || choiceCount > 1,
    textInLogprobs: fields.return_text_in_logprobs ?? false,
    receivedMs,
  };
}

function promptsOf({ text, input_ids: inputIds }: Fields): PromptList {
  if (inputIds != null) {
    const list = parsePrompts(inputIds, "input_ids");
    if (list.prompts.some((prompt) => typeof prompt === "string")) {
      throw refused("input_ids must hold token ids; use text for strings.");
    }
    return list;
  }
  if (text == null) throw refused("Either text or input_ids must be given.");
  const list = parsePrompts(text, "text");
  if (list.prompts.some((prompt) => typeof prompt !== "string")) {
    throw refused("text must be a string or a list of strings; use input_ids for token ids.");
  }
  return list;
}

function samplingsOf(params: unknown, count: number): Sampling[] {
  const list = Array.isArray(params) ? params : Array<unknown>(count).fill(params ?? {});
  if (list.length !== count) throw refused(wrongLength("sampling_params", list.length, count));
  const samplings = list.map((item: unknown, i) => {
    const at = Array.isArray(params) ? `sampling_params[${i}]` : "sampling_params";
    const fields = parseFields(paramsSchema, item, at);
    refuseNotBuilt(fields, paramsNotBuilt, `${at}.`);
    const asked = fields.max_new_tokens;
    return toSampling(fields, {
      lengthField: "max_new_tokens",
      maxNewTokens: asked === undefined ? 128 : asked, // null is no limit
      minNewTokens: fields.min_new_tokens ?? 0,
      seed: fields.sampling_seed,
      defaults: {},
    });
  });
  if (samplings.some(({ choiceCount }) => choiceCount !== samplings[0]!.choiceCount)) {
    throw refused("sampling_params: n must be the same for all prompts.");
  }
  return samplings;
}

const wrongLength = (field: string, length: number, count: number) =>
  `${field} has ${counted(length, "entry", "entries")} for ${counted(count, "prompt", "prompts")}.`;
const counted = (count: number, one: string, many: string) =>
  `${count} ${count === 1 ? one : many}`;

function listOf<T extends number | boolean>(
  value: T | T[] | null | undefined,
  count: number,
  field: string,
  defaultValue: T,
): T[] {
  if (!Array.isArray(value)) return Array<T>(count).fill(value ?? defaultValue);
  if (value.length !== count) throw refused(wrongLength(field, value.length, count));
  return value;
}

/** A string names a single generation, and begins the ids of several. */
function requestIds(
  rid: string | string[] | null | undefined,
  count: number,
  choiceCount: number,
): string[] {
  const total = count * choiceCount;
  if (rid == null) return Array.from({ length: total }, newRequestId);
  if (typeof rid === "string") {
    return total === 1 ? [rid] : Array.from({ length: total }, (_, i) => `${rid}_${i}`);
  }
  if (rid.length !== count) throw refused(wrongLength("rid", rid.length, count));
  if (new Set(rid).size !== rid.length) throw refused("rid: the ids must differ.");
  if (choiceCount === 1) return rid;
  return rid.flatMap((id) => Array.from({ length: choiceCount }, (_, i) => `${id}_${i}`));
}

function logprobRequest(promptStart: number, topCount: number, promptLength: number) {
  if (promptStart < -1 || promptStart >= promptLength) {
    throw refused(
      `logprob_start_len must be -1 (output only), or in [0, ${promptLength - 1}], got ${promptStart}.`,
    );
  }
  if (topCount < 0 || topCount > topLogprobsMax) {
    throw refused(`top_logprobs_num must be in [0, ${topLogprobsMax}], got ${topCount}.`);
  }
  return { promptStart, topCount };
}

/** The state of one generation; text, ids and logprobs are cumulative. */
function answerOf(
  context: ServerContext,
  request: NativeRequest,
  generations: readonly Generation[],
  index: number,
) {
  const generation = generations[index]!;
  const job = request.jobs[Math.floor((index * request.jobs.length) / generations.length)]!;
  const { promptIds, outputIds, finish, text } = generation;
  return {
    text,
    output_ids: outputIds,
    meta_info: {
      id: request.ids[index]!,
      finish_reason: finish,
      prompt_tokens: promptIds.length,
      weight_version: "default",
      num_retractions: Math.max(generation.admissions - 1, 0),
      ...logprobFields(context, request, job, generation),
      reasoning_tokens: 0,
      completion_tokens: outputIds.length,
      cached_tokens: generation.cachedTokens,
      cached_tokens_details: null,
      dp_rank: null,
      ...(finish === null
        ? {}
        : {
            e2e_latency: (performance.now() - request.receivedMs) / 1000,
            response_sent_to_client_ts: Date.now() / 1000,
          }),
    },
  };
}

function logprobFields(
  { tokenizer: { bytes } }: ServerContext,
  { textInLogprobs }: NativeRequest,
  { logprobs }: Job,
  { promptLogprobs, outputLogprobs }: Generation,
) {
  if (logprobs === null) return {};
  const fields = {
    input_token_logprobs: tokenTriples(bytes, promptLogprobs, textInLogprobs),
    output_token_logprobs: tokenTriples(bytes, outputLogprobs, textInLogprobs),
    output_token_logprobs_length: outputLogprobs.length,
  };
  if (logprobs.topCount === 0) return fields;
  return {
    ...fields,
    input_top_logprobs: topTriples(bytes, promptLogprobs, textInLogprobs),
    output_top_logprobs: topTriples(bytes, outputLogprobs, textInLogprobs),
  };
}

/**
 * One event for every token, each with all text and ids so far; those of several generations interleave and
 * carry their index. A generation that the engine gives up ends with an ordinary event that says so.
 */
function stream(context: ServerContext, request: NativeRequest, signal: AbortSignal): Response {
  const events = new EventStream(context.log);
  const batch = new Batch(context, request.jobs, signal, (_generation, index) => {
    const answer = answerOf(context, request, batch.generations, index);
    const event = dataEvent(request.isList ? { ...answer, index } : answer);
    events.send(batch.isFinished ? event + doneEvent : event);
    if (batch.isFinished) events.end();
  });
  return events.response(batch.abort);
}
