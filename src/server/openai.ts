/** What /v1/completions and /v1/chat/completions have in common: fields, streams, finish reasons, usage. */
import { z } from "zod";
import { abortError, Batch, type Job, newRequestId, usageOf } from "./batch.ts";
import type { ServerContext } from "./context.ts";
import type { Finish, Generation } from "./generation.ts";
import {
  boolean,
  integer,
  type Neutral,
  samplingFields,
  samplingNotBuilt,
  string,
} from "./sampling.ts";
import type { HeldIds } from "./running.ts";
import { doneEvent, EventStream } from "./sse.ts";

export const requestFields = {
  ...samplingFields,
  model: string.nullish(),
  max_tokens: integer.nullish(),
  min_tokens: integer.nullish(),
  seed: integer.nullish(),
  stream: boolean.nullish(),
  stream_options: z
    .object(
      { include_usage: boolean.nullish(), continuous_usage_stats: boolean.nullish() },
      "an object",
    )
    .nullish(),
  rid: string.nullish(),
  response_format: z
    .object({ type: z.literal("text", '"text", the only one this server supports') }, "an object")
    .nullish(),
};

type RequestFields = z.output<z.ZodObject<typeof requestFields>>;

export interface StreamOptions {
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
}
export const streamOptions = (fields: RequestFields["stream_options"]): StreamOptions => ({
  includeUsage: fields?.include_usage ?? false,
  continuousUsage: fields?.continuous_usage_stats ?? false,
});

/** Fields of both endpoints that are refused for now, with the values that ask for nothing. */
export const notBuilt: Neutral = {
  ...samplingNotBuilt,
  custom_logit_processor: [],
  lora_path: [],
  return_hidden_states: [false],
  return_routed_experts: [false],
  return_token_ids: [false],
};

/** Alternatives that may be asked for with each token. */
export const topLogprobsMax = 20;

/** Everything that identifies one response. */
export interface ResponseHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** The model is whatever the request said: any name reaches the one model there is. */
export function responseHead({ rid, model }: Pick<RequestFields, "rid" | "model">): ResponseHead {
  const created = Math.floor(Date.now() / 1000);
  return { id: rid ?? newRequestId(), created, model: model ?? "default" };
}

/** The two fields that say why a choice ended, null while it runs. */
export function finishFields(finish: Finish | null) {
  return {
    finish_reason: finish?.type ?? null,
    matched_stop: finish?.type === "stop" ? finish.matched : null,
  };
}

/** Turns news of a choice into events: "" when there is nothing to say yet. */
export type ChunkWriter = (generation: Generation, index: number, delta: string) => string;

/**
 * Streams all choices, interleaved as they come.
 * @param lastEvents what follows when all have ended, before [DONE].
 */
export function streamChoices(
  context: ServerContext,
  jobs: readonly Job[],
  ids: HeldIds,
  signal: AbortSignal,
  chunk: ChunkWriter,
  lastEvents: (generations: readonly Generation[]) => string,
): Response {
  const events = new EventStream();
  const batch = new Batch(context, jobs, ids, signal, (generation, index, delta) => {
    const fault = abortError(generation);
    if (fault !== null) {
      batch.abort();
      events.send(
        dataEvent({ error: { ...fault.body, type: "INTERNAL_SERVER_ERROR" } }) + doneEvent,
      );
      return events.end();
    }
    const news = chunk(generation, index, delta);
    if (batch.isFinished) {
      events.send(news + lastEvents(batch.generations) + doneEvent);
      events.end();
    } else if (news !== "") events.send(news);
  });
  return events.response(batch.abort);
}

/** The chunk for clients that asked for `include_usage`. Null fields are left out, as in SGLang. */
export function usageEvent(
  context: ServerContext,
  object: string,
  { id, created, model }: ResponseHead,
  generations: readonly Generation[],
  choiceCount: number,
): string {
  const { prompt_tokens_details: details, ...rest } = usageOf(context, generations, choiceCount);
  const usage = details === null ? rest : { ...rest, prompt_tokens_details: details };
  return dataEvent({ id, object, created, model, choices: [], usage });
}

export const dataEvent = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
