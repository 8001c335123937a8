/** The exact bytes of the main answers: key order, nulls and events are what clients of SGLang read. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { alphabet, eos, hello, post, stableText, testServer, tokens, world } from "./support.ts";

const server = await testServer();
afterAll(() => server.server.close(0));
beforeEach(() => {
  server.engine.script = alphabet;
});

async function answer(path: string, body: object): Promise<string> {
  const response = await post(server.url + path, body);
  expect(response.status).toBe(200);
  return stableText(response);
}
const get = async (path: string) => (await fetch(server.url + path)).text();

test("GET /v1/models", async () => {
  const card = `{"id":"org/toy","object":"model","created":0,"owned_by":"sglang","root":"org/toy","parent":null,"max_model_len":200}`;
  const listed = await stableText(await fetch(`${server.url}/v1/models`));
  expect(listed).toBe(`{"object":"list","data":[${card}]}`);
  expect(await stableText(await fetch(`${server.url}/v1/models/org/toy`))).toBe(card);
  const unknown = await fetch(`${server.url}/v1/models/gpt-4`);
  expect(unknown.status).toBe(404);
  expect(await unknown.text()).toBe(
    `{"error":{"message":"The model 'gpt-4' does not exist","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
  );
});

test("GET /model_info", async () => {
  expect(await get("/model_info")).toBe(
    `{"model_path":"/models/toy","served_model_name":"org/toy","tokenizer_path":"/models/toy","is_generation":true,` +
      `"preferred_sampling_params":null,"weight_version":"default","load_format":"auto","reasoning_parser":null,` +
      `"tool_call_parser":null,"has_image_understanding":false,"has_audio_understanding":false,"model_type":"llama",` +
      `"architectures":["LlamaForCausalLM"]}`,
  );
  expect(await get("/get_model_info")).toBe(await get("/model_info"));
});

test("completion", async () => {
  server.engine.script = tokens(hello, world, eos);
  expect(await answer("/v1/completions", { model: "any", prompt: "hi", rid: "r" })).toBe(
    `{"id":"r","object":"text_completion","created":0,"model":"any","choices":[{"index":0,"text":"hello world",` +
      `"logprobs":null,"finish_reason":"stop","matched_stop":257}],"usage":{"prompt_tokens":3,"total_tokens":6,` +
      `"completion_tokens":3,"prompt_tokens_details":null,"reasoning_tokens":0},"metadata":{"weight_version":"default"}}`,
  );
});

const chunk = (text: string, end = `"finish_reason":null,"matched_stop":null`, usage = "null") =>
  `data: {"id":"r","object":"text_completion","created":0,"model":"default","choices":[{"index":0,"text":"${text}",` +
  `"logprobs":null,${end}}],"usage":${usage}}\n\n`;

test("streamed completion: one event for each token, the last says why it ended", async () => {
  server.engine.script = tokens(hello, 10, 34, world);
  const body = { prompt: "hi", rid: "r", stream: true, max_tokens: 4 };
  expect(await answer("/v1/completions", body)).toBe(
    chunk("hello") +
      chunk("\\n") +
      chunk('\\"') +
      chunk(" world", `"finish_reason":"length","matched_stop":null`) +
      "data: [DONE]\n\n",
  );
});

const running = (count: number) =>
  `{"prompt_tokens":3,"total_tokens":${3 + count},"completion_tokens":${count},"prompt_tokens_details":null,"reasoning_tokens":0}`;

test("streamed completion: usage at the end, and running totals", async () => {
  const body = {
    prompt: "hi",
    rid: "r",
    stream: true,
    max_tokens: 2,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  };
  expect(await answer("/v1/completions", body)).toBe(
    chunk("a", undefined, running(1)) +
      chunk("b", `"finish_reason":"length","matched_stop":null`, running(2)) +
      `data: {"id":"r","object":"text_completion","created":0,"model":"default","choices":[],` +
      `"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2,"reasoning_tokens":0}}\n\n` +
      "data: [DONE]\n\n",
  );
});

test("max_tokens 0 is one event without text", async () => {
  expect(
    await answer("/v1/completions", { prompt: "hi", rid: "r", stream: true, max_tokens: 0 }),
  ).toBe(chunk("", `"finish_reason":"length","matched_stop":null`) + "data: [DONE]\n\n");
});

test("completion with echo and logprobs", async () => {
  const body = { prompt: "x", rid: "r", echo: true, logprobs: 2, max_tokens: 1 };
  const { choices } = JSON.parse(await answer("/v1/completions", body));
  expect(JSON.stringify(choices)).toBe(
    `[{"index":0,"text":"xa","logprobs":{"text_offset":[-1,-1,-1],"token_logprobs":[null,-0.9375,-0.7578125],` +
      `"tokens":["<s>","x","a"],"top_logprobs":[null,{"x":-0.9375,"y":-1.9375},{"a":-0.7578125,"b":-1.7578125}]},` +
      `"finish_reason":"length","matched_stop":null}]`,
  );
  const streamed = (await answer("/v1/completions", { ...body, stream: true, max_tokens: 2 }))
    .split("\n\n")
    .slice(0, 2)
    .map((event) => JSON.parse(event.slice(6)).choices[0]);
  expect(streamed).toEqual([
    { ...choices[0], finish_reason: null },
    {
      index: 0,
      text: "b",
      logprobs: {
        text_offset: [-1],
        token_logprobs: [-98 / 128],
        tokens: ["b"],
        top_logprobs: [{ b: -98 / 128, c: -98 / 128 - 1 }],
      },
      finish_reason: "length",
      matched_stop: null,
    },
  ]);
});

test("logprobs: 0 reports tokens without alternatives", async () => {
  const { choices } = JSON.parse(
    await answer("/v1/completions", { prompt: "x", logprobs: 0, max_tokens: 1 }),
  );
  expect(choices[0].logprobs).toEqual({
    text_offset: [-1],
    token_logprobs: [-97 / 128],
    tokens: ["a"],
    top_logprobs: [],
  });
});

test("several prompts, several choices: indices, one id, usage of each prompt once", async () => {
  const body = { prompt: ["x", "yy"], n: 2, max_tokens: 1, rid: "r" };
  const { choices, usage } = JSON.parse(await answer("/v1/completions", body));
  expect(choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2, 3]);
  expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 });
  const streamed = await answer("/v1/completions", { ...body, stream: true });
  const indices = [...streamed.matchAll(/"index":(\d)/g)].map((match) => match[1]);
  expect(indices.sort()).toEqual(["0", "1", "2", "3"]);
});

const promptForms: [prompt: unknown, ids: number[][]][] = [
  ["ab", [[256, 97, 98]]],
  [
    ["a", "b"],
    [
      [256, 97],
      [256, 98],
    ],
  ],
  [[1, 2], [[1, 2]]],
  [
    [[1], [2, 3]],
    [[1], [2, 3]],
  ],
];

test.each(promptForms)("the prompt %j reaches the engine as ids", async (prompt, ids) => {
  const from = server.engine.submitted.length;
  await answer("/v1/completions", { prompt, max_tokens: 1 });
  const submitted = server.engine.submitted.slice(from);
  expect(submitted.map(({ promptIds }) => Array.from(promptIds))).toEqual(ids);
});

const ask = { messages: [{ role: "user", content: "yo" }], rid: "r" };

test("chat", async () => {
  server.engine.script = tokens(hello, eos);
  expect(await answer("/v1/chat/completions", ask)).toBe(
    `{"id":"r","object":"chat.completion","created":0,"model":"default","choices":[{"index":0,"message":{"role":"assistant",` +
      `"content":"hello","reasoning_content":null,"tool_calls":null},"logprobs":null,"finish_reason":"stop","matched_stop":257}],` +
      `"usage":{"prompt_tokens":19,"total_tokens":21,"completion_tokens":2,"prompt_tokens_details":null,"reasoning_tokens":0},` +
      `"metadata":{"weight_version":"default"}}`,
  );
  const { promptIds, maxNewTokens } = server.engine.submitted.at(-1)!;
  expect(String.fromCharCode(...promptIds.slice(1))).toBe("user:yo\nassistant:");
  expect(promptIds.filter((id) => id === 256).length, "one BOS").toBe(1);
  expect(maxNewTokens, "up to the context").toBe(200 - 19);
});

const chatEvent = (delta: string, finish = "null") =>
  `data: {"id":"r","object":"chat.completion.chunk","created":0,"model":"default","choices":[{"index":0,` +
  `"delta":{"reasoning_content":null${delta}},"logprobs":null,"finish_reason":${finish},"matched_stop":null}]}\n\n`;

test("streamed chat", async () => {
  const body = { ...ask, max_tokens: 2, stream: true, stream_options: { include_usage: true } };
  expect(await answer("/v1/chat/completions", body)).toBe(
    chatEvent(`,"role":"assistant","content":""`) +
      chatEvent(`,"content":"a"`) +
      chatEvent(`,"content":"b"`) +
      chatEvent("", `"length"`) +
      `data: {"id":"r","object":"chat.completion.chunk","created":0,"model":"default","choices":[],` +
      `"usage":{"prompt_tokens":19,"total_tokens":21,"completion_tokens":2,"reasoning_tokens":0}}\n\n` +
      "data: [DONE]\n\n",
  );
});

test("chat logprobs, whole and streamed", async () => {
  const body = { ...ask, max_tokens: 1, logprobs: true, top_logprobs: 1 };
  const content =
    `[{"token":"a","bytes":[97],"logprob":-0.7578125,` +
    `"top_logprobs":[{"token":"a","bytes":[97],"logprob":-0.7578125}]}]`;
  const { choices } = JSON.parse(await answer("/v1/chat/completions", body));
  expect(JSON.stringify(choices[0].logprobs)).toBe(`{"content":${content}}`);
  const streamed = await answer("/v1/chat/completions", { ...body, stream: true });
  expect(streamed).toContain(`"content":"a"},"logprobs":{"content":${content}},`);
});

test("chat takes text parts, and the model's own sampling defaults", async () => {
  await using tuned = await testServer(
    {},
    { defaultSampling: { temperature: 0.6, topP: 0.9, topK: 40 } },
  );
  const parts = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  const body = { messages: [{ role: "user", content: parts }], max_tokens: 1, top_k: 5 };
  await (await post(`${tuned.url}/v1/chat/completions`, body)).text();
  const { promptIds, sampling } = tuned.engine.submitted[0]!;
  expect(String.fromCharCode(...promptIds.slice(1))).toBe("user:a b\nassistant:");
  expect(sampling).toMatchObject({ temperature: 0.6, topP: 0.9, topK: 5, minP: 0 });
  await (await post(`${tuned.url}/v1/completions`, { prompt: "x", max_tokens: 1 })).text();
  expect(tuned.engine.submitted[1]!.sampling).toMatchObject({ temperature: 1, topP: 1, topK: -1 });
});

const meta = (id: string, finish: string, completion: number, end = "") =>
  `{"id":"${id}","finish_reason":${finish},"prompt_tokens":3,"weight_version":"default","num_retractions":0,` +
  `"reasoning_tokens":0,"completion_tokens":${completion},"cached_tokens":0,"cached_tokens_details":null,"dp_rank":null${end}}`;
const ended = `,"e2e_latency":0,"response_sent_to_client_ts":0`;

test("/generate", async () => {
  server.engine.script = tokens(hello, eos);
  expect(await answer("/generate", { text: "hi", rid: "g" })).toBe(
    `{"text":"hello","output_ids":[258,257],"meta_info":${meta("g", `{"type":"stop","matched":257}`, 2, ended)}}`,
  );
  expect(server.engine.submitted.at(-1)!.maxNewTokens).toBe(128);
});

test("streamed /generate: cumulative text and ids", async () => {
  const body = {
    input_ids: [1, 2, 3],
    rid: "g",
    stream: true,
    sampling_params: { max_new_tokens: 2 },
  };
  expect(await answer("/generate", body)).toBe(
    `data: {"text":"a","output_ids":[97],"meta_info":${meta("g", "null", 1)}}\n\n` +
      `data: {"text":"ab","output_ids":[97,98],"meta_info":${meta("g", `{"type":"length","length":2}`, 2, ended)}}\n\n` +
      "data: [DONE]\n\n",
  );
});

const one = (id: string) =>
  `{"text":"a","output_ids":[97],"meta_info":${meta(id, `{"type":"length","length":1}`, 1, ended)}`;

test("/generate batches: a list in order; streams interleave with an index", async () => {
  const body = { text: ["hi", "yo"], rid: "g", sampling_params: { max_new_tokens: 1 } };
  expect(await answer("/generate", body)).toBe(`[${one("g_0")}},${one("g_1")}}]`);
  expect(await answer("/generate", { ...body, stream: true })).toBe(
    `data: ${one("g_0")},"index":0}\n\ndata: ${one("g_1")},"index":1}\n\ndata: [DONE]\n\n`,
  );
  const choices = { text: "hi", rid: "g", sampling_params: { max_new_tokens: 1, n: 2 } };
  expect(await answer("/generate", choices)).toBe(`[${one("g_0")}},${one("g_1")}}]`);
  expect(
    await answer("/generate", {
      text: ["hi"],
      rid: ["g"],
      sampling_params: [{ max_new_tokens: 1 }],
    }),
  ).toBe(`[${one("g")}}]`);
});

test("/generate logprobs", async () => {
  const body = {
    input_ids: [1, 2, 3],
    return_logprob: true,
    logprob_start_len: 0,
    top_logprobs_num: 1,
    sampling_params: { max_new_tokens: 1 },
  };
  const { meta_info: info } = JSON.parse(await answer("/generate", body));
  expect(Object.keys(info).slice(5, 10)).toEqual([
    "input_token_logprobs",
    "output_token_logprobs",
    "output_token_logprobs_length",
    "input_top_logprobs",
    "output_top_logprobs",
  ]);
  expect(info).toMatchObject({
    input_token_logprobs: [
      [null, 1, null],
      [-2 / 128, 2, null],
      [-3 / 128, 3, null],
    ],
    output_token_logprobs: [[-97 / 128, 97, null]],
    output_token_logprobs_length: 1,
    input_top_logprobs: [null, [[-2 / 128, 2, null]], [[-3 / 128, 3, null]]],
    output_top_logprobs: [[[-97 / 128, 97, null]]],
  });
  const withText = {
    ...body,
    logprob_start_len: -1,
    top_logprobs_num: 0,
    return_text_in_logprobs: true,
  };
  const second = JSON.parse(await answer("/generate", withText)).meta_info;
  expect(second.input_token_logprobs).toEqual([]);
  expect(second.output_token_logprobs).toEqual([[-97 / 128, 97, "a"]]);
  expect(second).not.toHaveProperty("output_top_logprobs");
});

test("--enable-cache-report: usage says how many prompt tokens the cache spared", async () => {
  await using reporting = await testServer({ cacheReport: true });
  const { engine } = reporting;
  const submit = engine.submit.bind(engine);
  engine.submit = (request, sink) => {
    const id = submit(request, sink);
    sink.onAdmitted(engine.submitted.length > 1 ? 2 : 0);
    return id;
  };
  const report = async (more: object) =>
    (await post(`${reporting.url}/v1/completions`, { prompt: "x", max_tokens: 1, ...more })).text();
  expect(await report({})).toContain(`"prompt_tokens_details":null`);
  expect(await report({ n: 2 })).toContain(`"prompt_tokens_details":{"cached_tokens":2}`);
  const streamed = await report({ stream: true, stream_options: { include_usage: true } });
  expect(streamed).toContain(`"reasoning_tokens":0,"prompt_tokens_details":{"cached_tokens":2}}}`);
});

const withLogprobs = async (more: object) => {
  const body = {
    text: "a",
    sampling_params: { max_new_tokens: 1 },
    return_logprob: true,
    ...more,
  };
  const response = await post(`${server.url}/generate`, body);
  return { status: response.status, text: await response.text() };
};

test("/generate: token_ids_logprob gives the logprobs of tokens by name", async () => {
  const single = await withLogprobs({ token_ids_logprob: [3, 104], logprob_start_len: 0 });
  expect(single.text).toContain(
    `"input_token_ids_logprobs":[null,[[-3,3,null],[-104,104,null]]],` +
      `"output_token_ids_logprobs":[[[-3,3,null],[-104,104,null]]],"reasoning_tokens"`,
  );
  const named = await withLogprobs({ token_ids_logprob: [104], return_text_in_logprobs: true });
  expect(named.text).toContain(`"output_token_ids_logprobs":[[[-104,104,"h"]]]`);
  const listed = await withLogprobs({ text: ["a", "b"], token_ids_logprob: [[1], []] });
  expect(listed.text).toContain(`"output_token_ids_logprobs":[[[-1,1,null]]]`);
  expect(listed.text.match(/output_token_ids_logprobs/g)).toHaveLength(1);
  expect((await withLogprobs({ token_ids_logprob: [] })).text).not.toContain("token_ids_logprobs");
  for (const [more, message] of [
    [{ token_ids_logprob: [260] }, "token_ids_logprob: token id 260 is not in the vocabulary"],
    [{ token_ids_logprob: Array(129).fill(1) }, "token_ids_logprob may hold 128 ids, not 129."],
    [{ token_ids_logprob: [[1], [2]] }, "token_ids_logprob has 2 entries for 1 prompt."],
    [{ token_ids_logprob: ["x"] }, "token_ids_logprob[0]: expected"],
    [{ token_ids_logprob: 5 }, "token_ids_logprob: expected a list of token ids or a list of"],
    [{ token_ids_logprob: [1], return_logprob: false }, "token_ids_logprob needs return_logprob"],
  ] as const) {
    const refused = await withLogprobs(more);
    expect(refused.status, message).toBe(400);
    expect(refused.text).toContain(message);
  }
});
