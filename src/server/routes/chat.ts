/** POST /v1/chat/completions */
import type { Hono } from "hono";
import { z } from "zod";
import type { ChatMessage } from "../../tokenizer/tokenizer.ts";
import { type Job, runBatch, usageOf } from "../batch.ts";
import { describe, parseFields, readJsonObject } from "../body.ts";
import type { ServerContext } from "../context.ts";
import { refused } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { chatLogprobs } from "../logprobs.ts";
import * as openai from "../openai.ts";
import { encodeText } from "../prompts.ts";
import {
  anything,
  boolean,
  integer,
  type Neutral,
  refuseNotBuilt,
  type Sampling,
  string,
  toSampling,
} from "../sampling.ts";

const part = z.object({ type: string, text: string.nullish() }, "an object");
const message = z.object(
  {
    role: string,
    content: z.union([string, z.array(part)], "a string or a list of parts").nullish(),
    tool_calls: anything,
  },
  "an object with role and content",
);
const schema = z.object({
  ...openai.requestFields,
  messages: z.array(message, "a list of messages"),
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
const roles = ["system", "developer", "user", "assistant"];

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
    const body = await readJsonObject(c.req.raw, context.options.maxBodyBytes);
    const request = parse(context, body);
    const jobs = [await jobOf(context, request)];
    if (request.stream) return stream(context, request, jobs, c.req.raw.signal);
    return c.json(answer(context, request, await runBatch(context, jobs, c.req.raw.signal)));
  });
}

function parse({ model }: ServerContext, body: object): ChatRequest {
  refuseNotBuilt(body, notBuilt);
  const fields = parseFields(schema, body);
  if (fields.messages.length === 0) throw refused("Messages cannot be empty.");
  return {
    head: openai.responseHead(fields),
    messages: fields.messages.map(toMessage),
    topCount: fields.logprobs ? topCountOf(fields.top_logprobs) : noLogprobs(fields.top_logprobs),
    sampling: toSampling(fields, {
      lengthField: fields.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens",
      maxNewTokens: fields.max_completion_tokens ?? fields.max_tokens ?? null,
      minNewTokens: fields.min_tokens ?? 0,
      seed: fields.seed,
      defaults: model.defaultSampling,
    }),
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

/** The texts of a message's parts are joined by spaces, as templates for plain strings get them from SGLang. */
function toMessage(
  { role, content, tool_calls }: z.output<typeof message>,
  index: number,
): ChatMessage {
  const at = `messages[${index}]`;
  if (!roles.includes(role)) {
    throw refused(`${at}.role: ${describe(role)} is not supported; use ${roles.join(", ")}.`);
  }
  refuseNotBuilt({ tool_calls }, { tool_calls: [] }, `${at}.`);
  if (!Array.isArray(content)) return { role, content: content ?? "" };
  const texts = content.map(({ type, text }, i) => {
    if (type === "text" && typeof text === "string") return text;
    throw refused(
      `${at}.content[${i}]: a part of type ${describe(type)} is not supported; use {"type": "text", "text": ...}.`,
    );
  });
  return { role, content: texts.join(" ") };
}

async function jobOf(context: ServerContext, request: ChatRequest): Promise<Job> {
  const { tokenizer } = context;
  if (!tokenizer.hasChatTemplate) {
    throw refused("This model has no chat template; use /v1/completions.");
  }
  const text = await tokenizer.applyChatTemplate(request.messages, true).catch((error: Error) => {
    throw refused(`The chat template refuses these messages: ${error.message}`);
  });
  // The template writes the BOS token itself.
  const ids = await encodeText(context, text, false);
  if (ids.length === 0) throw refused("Prompt cannot be empty");
  const { topCount, sampling } = request;
  const logprobs = topCount === null ? null : { promptStart: -1, topCount };
  return { promptIds: Int32Array.from(ids), sampling, logprobs };
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
    usage: usageOf(generations, request.sampling.choiceCount),
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
      ? `,"usage":${JSON.stringify(usageOf([generation], 1))}`
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
      ends.push(openai.usageEvent(object, head, generations, sampling.choiceCount));
    }
    return ends.join("");
  };
  return openai.streamChoices(context, jobs, signal, chunk, lastEvents);
}
