/** Every mistake is a 4xx with one sentence, in the shape of its endpoint, and disturbs nothing else. */
import { afterAll, expect, test } from "bun:test";
import * as fc from "fast-check";
import { createApp } from "../../src/server/index.ts";
import { post, ScriptedEngine, testContext, testServer } from "./support.ts";

const server = await testServer({ maxBodyBytes: 10_000 });
afterAll(() => server.server.close(0));

async function errorOf(path: string, body: unknown, more: RequestInit = {}) {
  const response = await post(server.url + path, body, more);
  const text = await response.text();
  const { message, error } = JSON.parse(text) as { message?: string; error?: { message: string } };
  return { status: response.status, text, message: message ?? error?.message };
}
const flat = (message: string, type: string, code: number) =>
  JSON.stringify({ object: "error", message, type, param: null, code });

const completions = "/v1/completions";
const chat = "/v1/chat/completions";
const user = { role: "user", content: "hi" };

test("shapes: malformed and refused requests, on both kinds of endpoint", async () => {
  expect((await errorOf(completions, { prompt: 5 })).text).toBe(
    flat(
      "prompt: expected a string, a list of strings, a list of token ids or a list of such lists, got 5.",
      "Bad Request",
      400,
    ),
  );
  expect((await errorOf(completions, { prompt: "x", temperature: -1 })).text).toBe(
    flat("temperature must be a non-negative finite number, got -1.", "BadRequestError", 400),
  );
  const native = { text: "x", sampling_params: { temperature: -1 } };
  expect((await errorOf("/generate", native)).text).toBe(
    `{"error":{"message":"temperature must be a non-negative finite number, got -1."}}`,
  );
  expect((await errorOf("/generate", { text: "x", stream: 1 })).text).toBe(
    flat("stream: expected true or false, got 1.", "Bad Request", 400),
  );
});

const tooLarge = "The body is larger than 10000 bytes.";
/** Body, and what the sentence says. */
const mistakes: [path: string, body: unknown, message: string | RegExp][] = [
  [completions, "{", /^The body is not valid JSON: /],
  [completions, "", /^The body is not valid JSON: /],
  [completions, "[1]", "The body must be a JSON object, got a list."],
  [completions, "null", "The body must be a JSON object, got null."],
  [completions, {}, /^prompt: expected .*, got nothing\.$/],
  [completions, { prompt: "" }, "Prompt cannot be empty"],
  [completions, { prompt: [] }, "Prompt cannot be empty"],
  [completions, { prompt: [[]] }, "Prompt cannot be empty"],
  [completions, { prompt: [1, "a"] }, 'prompt[1]: expected a token id, got "a".'],
  [completions, { prompt: [1, 2.5] }, "prompt[1]: expected a token id, got 2.5."],
  [completions, { prompt: ["a", 1] }, "prompt[1]: expected a string, got 1."],
  [completions, { prompt: [[1], "a"] }, 'prompt[1]: expected a list of token ids, got "a".'],
  [completions, { prompt: [260] }, "prompt: token id 260 is not in the vocabulary [0, 259]."],
  [completions, { prompt: [-1] }, "prompt: token id -1 is not in the vocabulary [0, 259]."],
  [completions, { prompt: "x", max_tokens: -1 }, "max_tokens must be at least 0, got -1."],
  [completions, { prompt: "x", max_tokens: "9" }, 'max_tokens: expected an integer, got "9".'],
  [completions, { prompt: "x", max_tokens: 1.5 }, "max_tokens: expected an integer, got 1.5."],
  [completions, { prompt: "x", top_p: 0 }, "top_p must be in (0, 1], got 0."],
  [completions, { prompt: "x", top_p: 1.1 }, "top_p must be in (0, 1], got 1.1."],
  [completions, { prompt: "x", top_k: 0 }, "top_k must be -1 (disable), or at least 1, got 0."],
  [completions, { prompt: "x", min_p: 2 }, "min_p must be in [0, 1], got 2."],
  [completions, { prompt: "x", n: 0 }, "n must be in [1, 128], got 0."],
  [completions, { prompt: "x", logprobs: 21 }, "logprobs must be in [0, 20], got 21."],
  [completions, { prompt: "x", logprobs: true }, "logprobs: expected an integer, got true."],
  [completions, { prompt: "x", stop: 5 }, "stop: expected a string or a list of strings, got 5."],
  [completions, { prompt: "x", stop: [""] }, "stop must not hold an empty string."],
  [completions, { prompt: "x", stop_token_ids: [999] }, /^stop_token_ids: token id 999 is not/],
  [
    completions,
    { prompt: "x", stream_options: { include_usage: 2 } },
    /^stream_options\.include_usage: expected true or false, got 2/,
  ],
  [
    completions,
    { prompt: "x", frequency_penalty: 2.1 },
    "frequency_penalty must be in [-2, 2], got 2.1.",
  ],
  [
    completions,
    { prompt: "x", presence_penalty: -3 },
    "presence_penalty must be in [-2, 2], got -3.",
  ],
  [
    completions,
    { prompt: "x", presence_penalty: "1" },
    'presence_penalty: expected a number, got "1".',
  ],
  [
    completions,
    { prompt: "x", repetition_penalty: 0 },
    "repetition_penalty must be in (0, 2] (1.0 = no penalty), got 0.",
  ],
  [
    completions,
    { prompt: "x", repetition_penalty: 2.5 },
    /^repetition_penalty must be in \(0, 2\]/,
  ],
  [
    completions,
    { prompt: "x", logit_bias: { "260": 1 } },
    "logit_bias must has keys in [0, 259], got 260.",
  ],
  [completions, { prompt: "x", logit_bias: { "-1": 1 } }, /^logit_bias must has keys .* got -1\.$/],
  [
    completions,
    { prompt: "x", logit_bias: { hello: 1 } },
    'logit_bias: expected token ids as keys, got "hello".',
  ],
  [completions, { prompt: "x", logit_bias: { "05": 1 } }, /expected token ids as keys, got "05"/],
  [
    completions,
    { prompt: "x", logit_bias: { "5": "1" } },
    'logit_bias.5: expected a number, got "1".',
  ],
  [
    completions,
    { prompt: "x", logit_bias: { "5": 1e39 } },
    "logit_bias.5 must be finite in 32 bits, got 1e+39.",
  ],
  [
    completions,
    { prompt: "x", logit_bias: [5] },
    "logit_bias: expected an object of token ids and numbers, got a list.",
  ],
  [
    completions,
    { prompt: "x", logit_bias: Object.fromEntries(Array(1025).fill(0).entries()) },
    "logit_bias must be of at most 1024 tokens, got 1025.",
  ],
  [
    completions,
    { prompt: "x", stop_regex: "a(" },
    /^stop_regex: "a\(": Invalid regular expression: .*\.$/,
  ],
  [completions, { prompt: "x", stop_regex: [""] }, "stop_regex must not hold an empty string."],
  [
    completions,
    { prompt: "x", stop_regex: 5 },
    "stop_regex: expected a string or a list of strings, got 5.",
  ],
  [completions, { prompt: "x", regex: "a+" }, /^regex: "a\+" is not supported/],
  [
    completions,
    { prompt: "x", min_tokens: 17 },
    "min_tokens must be in [0, max_tokens(16)], got 17.",
  ],
  [
    completions,
    { prompt: "x", min_tokens: -1 },
    "min_tokens must be in [0, max_tokens(16)], got -1.",
  ],
  [
    completions,
    { prompt: "x", response_format: { type: "json_object" } },
    'response_format.type: expected "text", the only one this server supports, got "json_object".',
  ],
  [
    completions,
    { prompt: "x".repeat(199) },
    "The input (200 tokens) is longer than the model's context length (200 tokens).",
  ],
  [
    completions,
    { prompt: "x".repeat(5000) },
    "The input (at least 834 tokens) is longer than the model's context length (200 tokens).",
  ],
  [
    completions,
    { prompt: "x".repeat(150), max_tokens: 50 },
    "Requested token count exceeds the model's maximum context length of 200 tokens. You requested a total of 201 tokens: 151 tokens from the input messages and 50 tokens for the completion. Please reduce the number of tokens in the input messages or the completion to fit within the limit.",
  ],
  [completions, { prompt: "x", pad: "x".repeat(10_000) }, tooLarge],
  [chat, {}, "messages: expected a list of messages, got nothing."],
  [chat, { messages: [] }, "Messages cannot be empty."],
  [chat, { messages: [1] }, "messages[0]: expected an object with role and content, got 1."],
  [chat, { messages: [{ content: "x" }] }, "messages[0].role: expected a string, got nothing."],
  [
    chat,
    { messages: [{ role: "tool", content: "x" }] },
    'messages[0].role: "tool" is not supported; use system, developer, user, assistant.',
  ],
  [
    chat,
    { messages: [{ role: "user", content: 7 }] },
    "messages[0].content: expected a string or a list of parts, got 7.",
  ],
  [
    chat,
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
    'messages[0].content[0]: a part of type "image_url" is not supported; use {"type": "text", "text": ...}.',
  ],
  [
    chat,
    { messages: [{ role: "assistant", content: "x" }] },
    "The chat template refuses these messages: a user must speak first",
  ],
  [
    chat,
    { messages: [user], tools: [{ type: "function" }] },
    "tools: a list is not supported by this server; leave it out.",
  ],
  [
    chat,
    { messages: [user], tool_choice: "required" },
    /^tool_choice: "required" is not supported/,
  ],
  [chat, { messages: [user], top_logprobs: 2 }, "top_logprobs needs logprobs: true."],
  [
    chat,
    { messages: [user], logprobs: true, top_logprobs: -1 },
    "top_logprobs must be in [0, 20], got -1.",
  ],
  [
    chat,
    { messages: [user], max_completion_tokens: -2 },
    "max_completion_tokens must be at least 0, got -2.",
  ],
  [chat, { messages: [user], max_tokens: 500 }, /^Requested token count exceeds/],
  [chat, { messages: [user], min_tokens: -1 }, "min_tokens must be in [0, max_tokens], got -1."],
  [
    chat,
    { messages: [user], max_completion_tokens: 3, min_tokens: 4 },
    "min_tokens must be in [0, max_completion_tokens(3)], got 4.",
  ],
  [chat, { messages: [user], frequency_penalty: -2.5 }, /^frequency_penalty must be in \[-2, 2\]/],
  ["/generate", {}, "Either text or input_ids must be given."],
  [
    "/generate",
    { text: [1] },
    "text must be a string or a list of strings; use input_ids for token ids.",
  ],
  ["/generate", { input_ids: "a" }, "input_ids must hold token ids; use text for strings."],
  ["/generate", { text: "x", sampling_params: 5 }, "sampling_params: expected an object, got 5."],
  [
    "/generate",
    { text: "x", sampling_params: { max_tokens: 5 } },
    'sampling_params: unknown key "max_tokens".',
  ],
  [
    "/generate",
    { text: "x", sampling_params: { stop: ["a", 1] } },
    "sampling_params.stop[1]: expected a string, got 1.",
  ],
  [
    "/generate",
    { text: "x", sampling_params: { stop: 1 } },
    "sampling_params.stop: expected a string or a list of strings, got 1.",
  ],
  [
    "/generate",
    { text: "x", sampling_params: { sampling_seed: 2 ** 60 } },
    /^sampling_params\.sampling_seed: expected an integer of at most 53 bits, got /,
  ],
  [
    "/generate",
    { text: "x", sampling_params: { regex: "a" } },
    /^sampling_params\.regex: "a" is not supported/,
  ],
  [
    "/generate",
    { text: "x", sampling_params: { max_new_tokens: -1 } },
    "max_new_tokens must be at least 0, got -1.",
  ],
  [
    "/generate",
    { text: "x", sampling_params: { max_new_tokens: 5, min_new_tokens: 6 } },
    "min_new_tokens must be in [0, max_new_tokens(5)], got 6.",
  ],
  [
    "/generate",
    { text: "x", sampling_params: { logit_bias: { a: 1 } } },
    'logit_bias: expected token ids as keys, got "a".',
  ],
  [
    "/generate",
    { text: ["x", "y"], sampling_params: [{}] },
    "sampling_params has 1 entry for 2 prompts.",
  ],
  [
    "/generate",
    { text: ["x", "y"], sampling_params: [{ n: 2 }, {}] },
    "sampling_params: n must be the same for all prompts.",
  ],
  ["/generate", { text: ["x", "y"], rid: ["a", "a"] }, "rid: the ids must differ."],
  [
    "/generate",
    { text: "x", return_logprob: true, logprob_start_len: 2 },
    "logprob_start_len must be -1 (output only), or in [0, 1], got 2.",
  ],
  [
    "/generate",
    { text: "x", token_ids_logprob: [1] },
    "token_ids_logprob needs return_logprob: true.",
  ],
];

test.each(mistakes)("%s %j", async (path, body, message) => {
  const submitted = server.engine.submitted.length;
  for (const stream of [false, true]) {
    const sent = typeof body === "string" ? body : { ...(body as object), stream };
    const { status, message: said } = await errorOf(path, sent);
    expect(status).toBe(message === tooLarge ? 413 : 400);
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
  }
  expect(server.engine.submitted.length).toBe(submitted);
});

test("statuses other than 400", async () => {
  const large = await errorOf(completions, { prompt: "x".repeat(20_000) });
  expect(large.text).toBe(flat("The body is larger than 10000 bytes.", "413", 413));
  const chunked = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 30; i++) controller.enqueue(new Uint8Array(1000));
      controller.close();
    },
  });
  expect((await errorOf(completions, "", { body: chunked })).status).toBe(413);
  const missing = await fetch(`${server.url}/v1/embeddings`, { method: "POST", body: "{}" });
  expect(await missing.text()).toBe(flat("There is no /v1/embeddings here.", "404", 404));
  const wrongMethod = await fetch(server.url + completions);
  expect([wrongMethod.status, wrongMethod.headers.get("allow")]).toEqual([405, "POST"]);
  expect(await wrongMethod.text()).toBe(
    flat("GET is not allowed on /v1/completions; use POST.", "405", 405),
  );
  expect((await fetch(`${server.url}/health`, { method: "POST" })).status).toBe(405);
});

test("only JSON is read", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
    const headers = { "content-type": type };
    const { status, message } = await errorOf(completions, { prompt: "x" }, { headers });
    expect([status, message]).toEqual([
      400,
      `Content-Type: expected application/json, got "${type}".`,
    ]);
  }
  const headers = { "content-type": "Application/JSON; charset=utf-8" };
  expect((await post(server.url + completions, { prompt: "x" }, { headers })).status).toBe(200);
});

test("nesting without end; brackets in strings do not count", async () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ] as const) {
    const deep = `{"prompt":"x","extra":${open.repeat(1000)}1${close.repeat(1000)}}`;
    const { status, message } = await errorOf(completions, deep);
    expect([status, message]).toEqual([400, "The body is nested deeper than 100 levels."]);
  }
  const harmless = { prompt: "x", extra: `\\"${"[{".repeat(500)}\\` };
  expect((await post(server.url + completions, harmless)).status).toBe(200);
});

test("ignored fields, null for any default, values that ask for nothing", async () => {
  const body = {
    prompt: "x",
    unknown: { a: 1 },
    user: "me",
    best_of: 1,
    suffix: null,
    temperature: null,
    max_tokens: null,
    stop: null,
    logit_bias: {},
    frequency_penalty: 0,
    repetition_penalty: null,
    min_tokens: null,
    stop_regex: [],
    response_format: { type: "text" },
  };
  expect((await post(server.url + completions, body)).status).toBe(200);
});

test("any JSON is answered, and the server stays well", async () => {
  const context = testContext(new ScriptedEngine());
  const app = createApp(context);
  const fields = (
    "prompt messages text input_ids sampling_params stream stream_options max_tokens temperature top_p top_k min_p n " +
    "stop stop_token_ids seed logprobs top_logprobs echo rid return_logprob logprob_start_len tools top_logprobs_num " +
    "response_format logit_bias stop_regex min_tokens frequency_penalty presence_penalty repetition_penalty tokens " +
    "token_ids_logprob stream_interval abort_all add_special_tokens skip_special_tokens __proto__"
  ).split(" ");
  const likely = fc.oneof(
    fc.constantFrom<unknown>(
      "hi",
      1,
      0,
      -1,
      2,
      0.5,
      true,
      false,
      null,
      [],
      {},
      [1, 2],
      ["a"],
      [[1]],
    ),
    fc.constantFrom<unknown>([{ role: "user", content: "x" }], { max_new_tokens: 2 }, { n: 2 }),
    fc.constantFrom<unknown>({ stream_interval: 3 }, { stream_interval: -1 }, [[1, 2], [3]], [999]),
    fc.constantFrom<unknown>({ "5": 1 }, { min_new_tokens: 1 }, { "5": -100, "999": 1 }, "a+"),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const valid: Record<string, object> = {
    [completions]: { prompt: "x" },
    [chat]: { messages: [user] },
    "/generate": { text: "x" },
    "/tokenize": { prompt: "x" },
    "/detokenize": { tokens: [1] },
    "/abort_request": { rid: "x" },
  };
  const changes = fc.dictionary(fc.constantFrom(...fields), likely, { maxKeys: 4 });
  const request = fc.constantFrom(...Object.keys(valid)).chain((path) =>
    fc.tuple(
      fc.constant(path),
      fc.oneof(
        {
          weight: 4,
          arbitrary: changes.map((changed) => Object.assign({}, valid[path], changed)),
        },
        fc.jsonValue(),
      ),
    ),
  );
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(request, async ([path, value]) => {
      const response = await app.request(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(value),
      });
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
      const text = await response.text();
      if (response.status === 200) return;
      expect(response.status).toBe(400);
      const { message, error } = JSON.parse(text);
      expect(message ?? error.message).toMatch(/^\S.*\S$/s);
    }),
    { numRuns: 3000 },
  );
  expect(statuses.get(200)).toBeGreaterThan(50);
  expect(statuses.get(400)).toBeGreaterThan(50);
  expect(context.logged).toEqual([]);
  expect((await app.request("/health")).status).toBe(200);
});
