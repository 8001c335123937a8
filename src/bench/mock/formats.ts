/** What the mock server's replies look like on the wire, by format. */
import type { WireFormat } from "../../net/mock.ts";

export const mockFormats = ["completions", "chat", "triton", "llama.cpp"] as const;
export type MockFormat = (typeof mockFormats)[number];

/** The id that GET /v1/models lists: one that a client finds a tokenizer for. */
const model = "preset:tiny";

const mark = "\u0000";
const models = JSON.stringify({
  object: "list",
  data: [{ id: model, object: "model", created: 0, owned_by: "servebench" }],
});
const openaiError = { error: { message: "the mock was told to fail", type: "mock", code: 500 } };

export const wireFormats: Readonly<Record<MockFormat, WireFormat>> = {
  completions: wireFormat({
    event: completion("text_completion", { text: mark, logprobs: null, finish_reason: null }),
    whole: completion("text_completion", { text: mark, logprobs: null, finish_reason: "length" }),
    ends: "data: [DONE]\n\n",
    error: openaiError,
  }),
  chat: wireFormat({
    event: completion("chat.completion.chunk", { delta: { content: mark }, finish_reason: null }),
    whole: completion("chat.completion", {
      message: { role: "assistant", content: mark },
      finish_reason: "length",
    }),
    ends: "data: [DONE]\n\n",
    error: openaiError,
  }),
  triton: wireFormat({
    event: { model_name: "ensemble", model_version: "1", text_output: mark },
    whole: { model_name: "ensemble", model_version: "1", text_output: mark },
    ends: "",
    error: { error: "the mock was told to fail" },
  }),
  "llama.cpp": wireFormat({
    event: { index: 0, content: mark, tokens: [], stop: false, id_slot: 0 },
    whole: { index: 0, content: mark, tokens: [], stop: true, stop_type: "limit" },
    ends: 'data: {"index":0,"content":"","tokens":[],"stop":true,"stop_type":"limit"}\n\n',
    error: openaiError,
  }),
};

function completion(object: string, choice: object): object {
  const id = "mock-0123456789abcdef0123456789abcdef";
  return { id, object, created: 1700000000, model, choices: [{ index: 0, ...choice }] };
}

interface Shapes {
  /** With `mark` in the place of the text. */
  readonly event: object;
  readonly whole: object;
  readonly ends: string;
  readonly error: object;
}

function wireFormat({ event, whole, ends, error }: Shapes): WireFormat {
  const [eventBefore, eventAfter] = around(event);
  const [wholeBefore, wholeAfter] = around(whole);
  return {
    eventBefore: `data: ${eventBefore}`,
    eventAfter: `${eventAfter}\n\n`,
    last: ends,
    wholeBefore,
    wholeAfter,
    models,
    errorEvent: `data: ${JSON.stringify(error)}\n\n`,
  };
}

function around(value: object): [before: string, after: string] {
  const [before, after] = JSON.stringify(value).split("\\u0000");
  return [before!, after!];
}
