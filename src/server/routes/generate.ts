/** POST or PUT /generate: SGLang's own endpoint, with ids in and out and one answer for each prompt. */
import type { Hono } from "hono";
import { z } from "zod";
import { askedMax } from "../../engine/index.ts";
import { Batch, type Job, newRequestId, runBatch } from "../batch.ts";
import { parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { askedTriples, tokenTriples, topTriples } from "../logprobs.ts";
import { dataEvent, topLogprobsMax } from "../openai.ts";
import { needsTokenizer } from "../no-tokenizer.ts";
import {
  checkChoiceCount,
  checkTokenIds,
  encodePrompts,
  parsePrompts,
  type Prompt,
  type PromptList,
} from "../prompts.ts";
import type { HeldIds } from "../running.ts";
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

const paramsSchema = z.strictObject(
  {
    ...samplingFields,
    max_new_tokens: integer.nullish(),
    min_new_tokens: integer.nullish(),
    sampling_seed: integer.nullish(),
    stream_interval: integer.nullish(),
    // Only tokenizers that are written in Python heed it.
    spaces_between_special_tokens: boolean.nullish(),
    ...Object.fromEntries(Object.keys(samplingNotBuilt).map((name) => [name, anything])),
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
  token_ids_logprob: z
    .union(
      [z.array(integer), z.array(z.array(integer))],
      "a list of token ids or a list of such lists",
    )
    .nullish(),
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
  return_hidden_states: [false],
  return_routed_experts: [false],
  return_prompt_token_ids: [false],
};

/** What one prompt is to get. */
interface PromptPlan {
  readonly prompt: Prompt;
  readonly sampling: Sampling;
  readonly returnLogprob: boolean;
  readonly startLength: number;
  readonly topCount: number;
  readonly askedIds: readonly number[];
}

interface NativeRequest {
  readonly plans: readonly PromptPlan[];
  /** One for each generation, choices of one prompt side by side. */
  readonly ids: readonly string[];
  /** Where the prompts stand in the body. */
  readonly promptField: "text" | "input_ids";
  /** Whether the answer is a list. */
  readonly isList: boolean;
  readonly textInLogprobs: boolean;
  readonly stream: boolean;
  readonly receivedMs: number;
}

export function generateRoutes(app: Hono, context: ServerContext): void {
  app.on(["POST", "PUT"], "/generate", async (c) => {
    const receivedMs = performance.now();
    const request = parse(context, await readJsonObject(c.req.raw, context), receivedMs);
    return context.running.hold(request.ids, async (ids) => {
      const jobs = await jobsOf(context, request);
      const { signal } = c.req.raw;
      if (request.stream) return stream(context, request, jobs, ids, signal);
      const generations = await runBatch(context, jobs, ids, signal);
      const answers = generations.map((_, index) =>
        answerOf(context, request, jobs, generations, index),
      );
      return c.json(request.isList ? answers : answers[0]!);
    });
  });
}

function parse({ options }: ServerContext, body: object, receivedMs: number): NativeRequest {
  refuseNotBuilt(body, notBuilt);
  const fields = parseFields(schema, body);
  const { prompts, isList } = promptsOf(fields);
  const count = prompts.length;
  const samplings = samplingsOf(fields.sampling_params, count);
  const choiceCount = samplings[0]!.choiceCount;
  checkChoiceCount(count * choiceCount);
  const returnLogprob = listOf(fields.return_logprob, count, "return_logprob", false);
  const startLength = listOf(fields.logprob_start_len, count, "logprob_start_len", -1);
  const topCount = listOf(fields.top_logprobs_num, count, "top_logprobs_num", 0);
  const askedIds = askedIdsOf(fields.token_ids_logprob, count);
  const textInLogprobs = fields.return_text_in_logprobs ?? false;
  if (options.skipTokenizer) checkNeedsNoText(fields, samplings);
  return {
    plans: prompts.map((prompt, i) => ({
      prompt,
      sampling: samplings[i]!,
      returnLogprob: returnLogprob[i]!,
      startLength: startLength[i]!,
      topCount: topCount[i]!,
      askedIds: askedIds[i]!,
    })),
    ids: requestIds(fields.rid, count, choiceCount),
    promptField: fields.input_ids == null ? "text" : "input_ids",
    isList: isList || choiceCount > 1,
    textInLogprobs,
    stream: fields.stream ?? false,
    receivedMs,
  };
}

/** Throws a 400 for what only a tokenizer could do. */
function checkNeedsNoText(fields: Fields, samplings: readonly Sampling[]): void {
  if (fields.input_ids == null) throw needsTokenizer("text");
  if (fields.return_text_in_logprobs) throw needsTokenizer("return_text_in_logprobs");
  if (samplings.some(({ stopStrings }) => stopStrings.length > 0)) throw needsTokenizer("stop");
  if (samplings.some(({ stopPatterns }) => stopPatterns.length > 0))
    throw needsTokenizer("stop_regex");
}

async function jobsOf(context: ServerContext, request: NativeRequest): Promise<Job[]> {
  const prompts = request.plans.map(({ prompt }) => prompt);
  const encoded = await encodePrompts(context, prompts, request.promptField);
  return request.plans.map(({ sampling, ...plan }, i) => {
    const promptIds = encoded[i]!;
    checkTokenIds(plan.askedIds, context.engine.limits.vocabSize, "token_ids_logprob");
    return { promptIds, sampling, logprobs: logprobRequest(plan, promptIds.length) };
  });
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
    refuseNotBuilt(fields, samplingNotBuilt, `${at}.`);
    const asked = fields.max_new_tokens;
    return toSampling(fields, {
      lengthField: "max_new_tokens",
      maxNewTokens: asked === undefined ? 128 : asked, // null is no limit
      minNewTokens: fields.min_new_tokens ?? 0,
      seed: fields.sampling_seed,
      streamInterval: fields.stream_interval ?? null,
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

/** One list for all prompts, or one for each. */
function askedIdsOf(value: Fields["token_ids_logprob"], count: number): (readonly number[])[] {
  const nested = Array.isArray(value?.[0]);
  const lists = nested
    ? (value as number[][])
    : Array<number[]>(count).fill((value ?? []) as number[]);
  if (lists.length !== count) throw refused(wrongLength("token_ids_logprob", lists.length, count));
  const long = lists.find((ids) => ids.length > askedMax);
  if (long) throw refused(`token_ids_logprob may hold ${askedMax} ids, not ${long.length}.`);
  return lists;
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

function logprobRequest(
  { returnLogprob, startLength: promptStart, topCount, askedIds }: Omit<PromptPlan, "sampling">,
  promptLength: number,
) {
  if (!returnLogprob && askedIds.length > 0) {
    throw refused("token_ids_logprob needs return_logprob: true.");
  }
  if (!returnLogprob) return null;
  if (promptStart < -1 || promptStart >= promptLength) {
    throw refused(
      `logprob_start_len must be -1 (output only), or in [0, ${promptLength - 1}], got ${promptStart}.`,
    );
  }
  if (topCount < 0 || topCount > topLogprobsMax) {
    throw refused(`top_logprobs_num must be in [0, ${topLogprobsMax}], got ${topCount}.`);
  }
  return { promptStart, topCount, askedIds };
}

/** The state of one generation; text, ids and logprobs are cumulative. */
function answerOf(
  context: ServerContext,
  request: NativeRequest,
  jobs: readonly Job[],
  generations: readonly Generation[],
  index: number,
) {
  const generation = generations[index]!;
  const job = jobs[Math.floor((index * jobs.length) / generations.length)]!;
  const { promptIds, outputIds, finish, text } = generation;
  return {
    ...(context.options.skipTokenizer ? {} : { text }),
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
  const top = {
    input_top_logprobs: topTriples(bytes, promptLogprobs, textInLogprobs),
    output_top_logprobs: topTriples(bytes, outputLogprobs, textInLogprobs),
  };
  const asked = {
    input_token_ids_logprobs: askedTriples(bytes, promptLogprobs, textInLogprobs),
    output_token_ids_logprobs: askedTriples(bytes, outputLogprobs, textInLogprobs),
  };
  const { topCount, askedIds = [] } = logprobs;
  return { ...fields, ...(topCount > 0 && top), ...(askedIds.length > 0 && asked) };
}

/**
 * One event for every token (or every so many), each with all text and ids so far; those of several generations interleave and
 * carry their index. A generation that the engine gives up ends with an ordinary event that says so.
 */
function stream(
  context: ServerContext,
  request: NativeRequest,
  jobs: readonly Job[],
  ids: HeldIds,
  signal: AbortSignal,
): Response {
  const events = new EventStream();
  const batch = new Batch(context, jobs, ids, signal, (_generation, index) => {
    const answer = answerOf(context, request, jobs, batch.generations, index);
    const event = dataEvent(request.isList ? { ...answer, index } : answer);
    events.send(batch.isFinished ? event + doneEvent : event);
    if (batch.isFinished) events.end();
  });
  return events.response(batch.abort);
}
