/**
 * `/v1/chat/completions`: the prompt as the one message of a user; the server puts its chat template around it. What a
 * model thinks (`reasoning_content`, `reasoning`), its calls of tools and its refusals count as generated text, as the
 * tokens of it do.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest } from "../request.ts";
import type { Backend } from "./backend.ts";
import { extraFields, usageWanted } from "./backend.ts";
import { OpenaiReader, type TextPlace } from "./openai-reader.ts";

export interface Message {
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly refusal?: unknown;
  readonly tool_calls?: unknown;
}

/** null and the like where a server is not to be trusted. */
type ToolCall = {
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
} | null;

export const chatText: TextPlace = {
  name: "choices[0].delta or choices[0].message",
  find: (choice) => {
    const { delta, message } = choice as { delta?: Message; message?: Message };
    const said = delta ?? message;
    if (typeof said !== "object" || said === null) return undefined;
    // null where there is nothing to say: the role, or the reason of the end.
    const thought = said.reasoning_content ?? said.reasoning;
    const calls = Array.isArray(said.tool_calls) ? (said.tool_calls as readonly ToolCall[]) : [];
    const called = calls.flatMap((call) => [call?.function?.name, call?.function?.arguments]);
    const parts = [thought, said.content, said.refusal, ...called].filter(Boolean);
    return parts.every((part) => typeof part === "string") ? parts.join("") : parts;
  },
};

const common = {
  path: "/v1/chat/completions",
  authorized: true,
  takesIds: false,
  newReader: (options: BenchOptions) => new OpenaiReader(options, chatText),
  textPath: "choices.0.delta.content",
};

/** For engines that can be told not to end early. */
export const engineChat: Backend = {
  ...common,
  body: (request, model, options) =>
    writeBody(request, model, options, { ignore_eos: !options.disableIgnoreEos }),
};

/** For any server: nothing that OpenAI's own would refuse. */
export const plainChat: Backend = {
  ...common,
  body: (request, model, options) => writeBody(request, model, options, {}),
};

function writeBody(
  { prompt, outputLen }: BenchRequest,
  model: string,
  options: BenchOptions,
  engineFields: Record<string, PythonValue>,
): string {
  const fields: Record<string, PythonValue> = {
    model,
    messages: [{ role: "user", content: prompt }],
    temperature: float(options.temperature),
    max_completion_tokens: outputLen,
    ...usageWanted(options),
    ...engineFields,
    ...extraFields(options),
  };
  return jsonDumps(fields);
}
