/** POST /v1/chat/completions */
import type { Hono } from "hono";
import { z } from "zod";
import type { ChatMessage } from "../../tokenizer/tokenizer.ts";
import { type Job, runBatch, usageOf } from "../batch.ts";
import { parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { chatLogprobs } from "../logprobs.ts";
import { encodeMessages, messagesField, toMessages } from "../messages.ts";
import * as openai from "../openai.ts";
import type { HeldIds } from "../running.ts";
import {
  boolean,
  integer,
  type Neutral,
  refuseNotBuilt,
  type Sampling,
  toSampling,
} from "../sampling.ts";

const schema = z.object({
  ...openai.requestFields,
  messages: messagesField,
  max_completion_tokens: integer.nullish(),
  logprobs: boolean.nullish(),
  top_logprobs: integer.nullish(),
});

const notBuilt: Neutral = {
  ...openai.notBuilt,
  tools: [],
  tool_choice: ["none", "auto"],
  functions: [],
  function_call: ["none", "auto"],
  audio: [],
  prediction: [],
  web_search_options: [],
  input_ids: [],
  continue_final_message: [false],
  chat_template_kwargs: [],
  reasoning_effort: ["none"],
};

interface ChatRequest {
  readonly head: openai.ResponseHead;
  readonly messages: readonly ChatMessage[];
  /** Alternatives with each token; null for no logprobs at all. */
  readonly topCount: number | null;
  readonly sampling: Sampling;
  readonly stream: boolean;
  readonly streamOptions: openai.StreamOptions;
}

export function chatRoutes(app: Hono, context: ServerContext): void {
  app.post("/v1/chat/completions", async (c) => {
    const request = parse(context, await readJsonObject(c.req.raw, context));
    return context.running.hold([request.head.id], async (ids) => {
      const jobs = [await jobOf(context, request)];
      const { signal } = c.req.raw;
      if (request.stream) return stream(context, request, jobs, ids, signal);
      return c.json(answer(context, request, await runBatch(context, jobs, ids, signal)));
    });
  });
}

function parse({ model }: ServerContext, body: object): ChatRequest {
  refuseNotBuilt(body, notBuilt);
  const fields = parseFields(schema, body);
  return {
    head: openai.responseHead(fields),
    messages: toMessages(fields.messages),
    topCount: fields.logprobs ? topCountOf(fields.top_logprobs) : noLogprobs(fields.top_logprobs),
    sampling: toSampling(
      { ...fields, stop: [...model.chatStopStrings, ...[fields.stop ?? []].flat()] },
      {
        lengthField: fields.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens",
        maxNewTokens: fields.max_completion_tokens ?? fields.max_tokens ?? null,
        minNewTokens: fields.min_tokens ?? 0,
        seed: fields.seed,
        streamInterval: null,
        defaults: model.defaultSampling,
      },
    ),
    stream: fields.stream ?? false,
    streamOptions: openai.streamOptions(fields.stream_options),
  };
}

function topCountOf(asked: number | null | undefined): number {
  const topCount = asked ?? 0;
  if (topCount >= 0 && topCount <= openai.topLogprobsMax) return topCount;
  throw refused(`top_logprobs must be in [0, ${openai.topLogprobsMax}], got ${topCount}.`);
}

function noLogprobs(asked: number | null | undefined): null {
  if (asked) throw refused("top_logprobs needs logprobs: true.");
  return null;
}

async function jobOf(context: ServerContext, request: ChatRequest): Promise<Job> {
  const promptIds = await encodeMessages(context, request.messages, false);
  if (promptIds.length === 0) throw refused("Prompt cannot be empty");
  const { topCount, sampling } = request;
  const logprobs = topCount === null ? null : { promptStart: -1, topCount };
  return { promptIds, sampling, logprobs };
}

function answer(context: ServerContext, request: ChatRequest, generations: readonly Generation[]) {
  const { id, created, model } = request.head;
  return {
    id,
    object: "chat.completion",
    created,
    model,
    choices: generations.map((generation, index) => ({
      index,
      message: {
        role: "assistant",
        content: generation.text,
        reasoning_content: null,
        tool_calls: null,
      },
      logprobs: logprobsSince(context, request, generation, 0),
      ...openai.finishFields(generation.finish),
    })),
    usage: usageOf(context, generations, request.sampling.choiceCount),
    metadata: { weight_version: "default" },
  };
}

function logprobsSince(
  { tokenizer }: ServerContext,
  { topCount }: ChatRequest,
  { outputLogprobs }: Generation,
  from: number,
) {
  return topCount === null ? null : chatLogprobs(tokenizer.bytes, outputLogprobs.slice(from));
}

/** Each choice says its role, then its text; when all have ended, each says why. */
function stream(
  context: ServerContext,
  request: ChatRequest,
  jobs: readonly Job[],
  ids: HeldIds,
  signal: AbortSignal,
): Response {
  const { head, sampling, streamOptions } = request;
  const { id, created, model } = head;
  const object = "chat.completion.chunk";
  // All that the chunks of this response share is written once.
  const opening = `data: ${JSON.stringify({ id, object, created, model }).slice(0, -1)},"choices":[{"index":`;
  const sentTokens: number[] = [];

  const event = (generation: Generation, index: number, delta: string, rest: string) => {
    const usage = streamOptions.continuousUsage
      ? `,"usage":${JSON.stringify(usageOf(context, [generation], 1))}`
      : "";
    return `${opening}${index},"delta":{"reasoning_content":null${delta}},"logprobs":${rest}}]${usage}}\n\n`;
  };
  const running = `"finish_reason":null,"matched_stop":null`;

  const chunk: openai.ChunkWriter = (generation, index, delta) => {
    if (delta === "" && generation.finish === null) return "";
    let events = "";
    const sent = sentTokens[index] ?? 0;
    if (sentTokens[index] === undefined) {
      events = event(generation, index, `,"role":"assistant","content":""`, `null,${running}`);
    }
    if (delta !== "") {
      const logprobs = JSON.stringify(logprobsSince(context, request, generation, sent));
      const content = `,"content":${JSON.stringify(delta)}`;
      events += event(generation, index, content, `${logprobs},${running}`);
      sentTokens[index] = generation.outputIds.length;
    } else sentTokens[index] = sent;
    return events;
  };

  const lastEvents = (generations: readonly Generation[]) => {
    const ends = generations.map((generation, index) => {
      const finish = JSON.stringify(openai.finishFields(generation.finish)).slice(1, -1);
      return event(generation, index, "", `null,${finish}`);
    });
    if (streamOptions.includeUsage) {
      ends.push(openai.usageEvent(context, object, head, generations, sampling.choiceCount));
    }
    return ends.join("");
  };
  return openai.streamChoices(context, jobs, ids, signal, chunk, lastEvents);
}
