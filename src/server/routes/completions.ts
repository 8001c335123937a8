/** POST /v1/completions */
import type { Hono } from "hono";
import { z } from "zod";
import { type Job, runBatch, usageOf } from "../batch.ts";
import { parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { completionLogprobs } from "../logprobs.ts";
import * as openai from "../openai.ts";
import { encodePrompts, parsePrompts, type Prompt, promptText } from "../prompts.ts";
import type { HeldIds } from "../running.ts";
import {
  anything,
  boolean,
  integer,
  refuseNotBuilt,
  type Sampling,
  toSampling,
} from "../sampling.ts";

const schema = z.object({
  ...openai.requestFields,
  prompt: anything,
  echo: boolean.nullish(),
  logprobs: integer.nullish(),
});

interface CompletionRequest {
  readonly head: openai.ResponseHead;
  readonly prompts: readonly Prompt[];
  readonly echo: boolean;
  /** Alternatives with each token; null for no logprobs at all. */
  readonly topCount: number | null;
  readonly sampling: Sampling;
  readonly stream: boolean;
  readonly streamOptions: openai.StreamOptions;
}

export function completionRoutes(app: Hono, context: ServerContext): void {
  app.post("/v1/completions", async (c) => {
    const request = parse(await readJsonObject(c.req.raw, context));
    return context.running.hold([request.head.id], async (ids) => {
      const jobs = await jobsOf(context, request);
      const { signal } = c.req.raw;
      if (request.stream) return stream(context, request, jobs, ids, signal);
      return c.json(answer(context, request, await runBatch(context, jobs, ids, signal)));
    });
  });
}

function parse(body: object): CompletionRequest {
  refuseNotBuilt(body, openai.notBuilt);
  const fields = parseFields(schema, body);
  const topCount = fields.logprobs ?? null;
  if (topCount !== null && (topCount < 0 || topCount > openai.topLogprobsMax)) {
    throw refused(`logprobs must be in [0, ${openai.topLogprobsMax}], got ${topCount}.`);
  }
  return {
    head: openai.responseHead(fields),
    prompts: parsePrompts(fields.prompt, "prompt").prompts,
    echo: fields.echo ?? false,
    topCount,
    sampling: toSampling(fields, {
      lengthField: "max_tokens",
      maxNewTokens: fields.max_tokens ?? 16,
      minNewTokens: fields.min_tokens ?? 0,
      seed: fields.seed,
      streamInterval: null,
      defaults: {},
    }),
    stream: fields.stream ?? false,
    streamOptions: openai.streamOptions(fields.stream_options),
  };
}

async function jobsOf(context: ServerContext, request: CompletionRequest): Promise<Job[]> {
  const { prompts, sampling, topCount, echo } = request;
  const logprobs = topCount === null ? null : { promptStart: echo ? 0 : -1, topCount };
  const encoded = await encodePrompts(context, prompts, "prompt");
  return encoded.map((promptIds) => ({ promptIds, sampling, logprobs }));
}

/** The text before a choice's own: its prompt if the request asks for an echo. */
function echoOf({ tokenizer }: ServerContext, request: CompletionRequest, index: number): string {
  if (!request.echo) return "";
  const prompt = request.prompts[Math.floor(index / request.sampling.choiceCount)]!;
  return promptText(tokenizer.bytes, prompt);
}

function answer(
  context: ServerContext,
  request: CompletionRequest,
  generations: readonly Generation[],
) {
  const { id, created, model } = request.head;
  return {
    id,
    object: "text_completion",
    created,
    model,
    choices: generations.map((generation, index) => ({
      index,
      text: echoOf(context, request, index) + generation.text,
      logprobs: logprobsSince(context, request, generation, 0),
      ...openai.finishFields(generation.finish),
    })),
    usage: usageOf(context, generations, request.sampling.choiceCount),
    metadata: { weight_version: "default" },
  };
}

/** Logprobs of the tokens from output index `from` on; those of an echoed prompt come with the first. */
function logprobsSince(
  { tokenizer }: ServerContext,
  { topCount }: CompletionRequest,
  { promptLogprobs, outputLogprobs }: Generation,
  from: number,
) {
  if (topCount === null) return null;
  const entries = outputLogprobs.slice(from);
  return completionLogprobs(
    tokenizer.bytes,
    from === 0 ? [...promptLogprobs, ...entries] : entries,
    topCount,
  );
}

function stream(
  context: ServerContext,
  request: CompletionRequest,
  jobs: readonly Job[],
  ids: HeldIds,
  signal: AbortSignal,
): Response {
  const { head, sampling, streamOptions } = request;
  const { id, created, model } = head;
  const object = "text_completion";
  // All that the chunks of this response share is written once.
  const opening = `data: ${JSON.stringify({ id, object, created, model }).slice(0, -1)},"choices":[{"index":`;
  const sentTokens: number[] = [];

  const chunk: openai.ChunkWriter = (generation, index, delta) => {
    if (delta === "" && generation.finish === null) return "";
    const sent = sentTokens[index];
    const text = sent === undefined ? echoOf(context, request, index) + delta : delta;
    const logprobs = logprobsSince(context, request, generation, sent ?? 0);
    sentTokens[index] = generation.outputIds.length;
    const usage = streamOptions.continuousUsage ? usageOf(context, [generation], 1) : null;
    const finish = generation.finish && openai.finishFields(generation.finish);
    return (
      `${opening}${index},"text":${JSON.stringify(text)},"logprobs":${JSON.stringify(logprobs)},` +
      (finish === null
        ? `"finish_reason":null,"matched_stop":null`
        : JSON.stringify(finish).slice(1, -1)) +
      `}],"usage":${JSON.stringify(usage)}}\n\n`
    );
  };
  return openai.streamChoices(context, jobs, ids, signal, chunk, (generations) =>
    streamOptions.includeUsage
      ? openai.usageEvent(context, object, head, generations, sampling.choiceCount)
      : "",
  );
}
