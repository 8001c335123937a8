/**
 * Proves each backend against the bytes of its server, on both transports. The replies have the shapes that the servers
 * write: fields, their order, white space, what comes first and last.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { backendOf } from "../../src/bench/backends/index.ts";
import { collectLoad, plainLoad } from "../../src/bench/load.ts";
import { defaultOptions, type BackendName, type BenchOptions } from "../../src/bench/options.ts";
import { onceEach } from "../../src/bench/schedule.ts";
import { requestWriter, targetOf } from "../../src/bench/target.ts";
import { sendNative } from "../../src/bench/transport/native.ts";
import { sendPlain } from "../../src/bench/transport/plain.ts";
import { replay, startMock, type MockServer } from "./mock/server.ts";

interface Wire {
  readonly backend: BackendName;
  readonly path: string;
  readonly body: string;
  /** Events, each written on its own. */
  readonly events: readonly string[];
  readonly text: string;
  /** Gaps between events that hold tokens. */
  readonly gaps: number;
  readonly usage: { promptTokens: number | null; completionTokens: number | null } | null;
}

const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const done = "data: [DONE]\n\n";

/** SGLang: `usage` null in every chunk, the reason in the last. */
const sglangChunk = (text: string, reason: string | null = null) =>
  data({
    id: "8f0c2b3e9a7d4c55b1e2a3948d7f6c10",
    object: "text_completion",
    created: 1754000000,
    model: "m",
    choices: [{ index: 0, text, logprobs: null, finish_reason: reason, matched_stop: null }],
    usage: null,
  });
const vllmChunk = (text: string, reason: string | null = null) =>
  data({
    id: "cmpl-5e1c",
    object: "text_completion",
    created: 1754000000,
    model: "m",
    choices: [{ index: 0, text, logprobs: null, finish_reason: reason, stop_reason: null }],
    usage: null,
  });
/** LMDeploy leaves out what is null, and calls a session by its number. */
const lmdeployChunk = (text: string, reason?: string) =>
  data({
    id: "17",
    object: "text_completion",
    created: 1754000000,
    model: "m",
    choices: [{ index: 0, text, ...(reason ? { finish_reason: reason } : {}) }],
  });
const chatChunk = (delta: object, reason: string | null = null) =>
  data({
    id: "c",
    object: "chat.completion.chunk",
    created: 1754000000,
    model: "m",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: reason, matched_stop: null }],
  });
const usageChunk = (object: string) =>
  data({
    id: "c",
    object,
    created: 1754000000,
    model: "m",
    choices: [],
    usage: { prompt_tokens: 3, total_tokens: 6, completion_tokens: 3 },
  });
const generateChunk = (text: string, count: number, reason: object | null = null) =>
  data({
    text,
    output_ids: Array.from({ length: count }, (_, i) => i),
    meta_info: {
      id: "9b1d",
      finish_reason: reason,
      prompt_tokens: 3,
      weight_version: "default",
      num_retractions: 0,
      completion_tokens: count,
      cached_tokens: 0,
    },
  });
/** Of a server with --incremental-streaming-output. */
const generateDelta = (text: string, count: number) =>
  data({
    text,
    output_ids: [count],
    meta_info: { prompt_tokens: 3, completion_tokens: count },
  });
const llamaChunk = (content: string, count: number) =>
  data({
    index: 0,
    content,
    tokens: [7],
    stop: false,
    id_slot: -1,
    tokens_predicted: count,
    tokens_evaluated: 3,
  });
const llamaEnd = data({
  index: 0,
  content: "",
  tokens: [],
  id_slot: 0,
  stop: true,
  model: "m",
  tokens_predicted: 3,
  tokens_evaluated: 3,
  stop_type: "limit",
  stopping_word: "",
  tokens_cached: 5,
  timings: { prompt_n: 3, predicted_n: 3, predicted_per_second: 88.25 },
});
/** No blank after the colon, and no [DONE]. */
const tritonChunk = (text: string) =>
  `data:${JSON.stringify({ context_logits: 0, cum_log_probs: 0, model_name: "ensemble", model_version: "1", output_log_probs: [0, 0], sequence_end: false, sequence_id: 0, sequence_index: 0, sequence_start: false, text_output: text })}\n\n`;

const engineBody =
  '{"model": "m", "prompt": "a\\u00e9", "temperature": 0.0, "best_of": 1, "max_tokens": 3, "stream": true, "ignore_eos": true}';
const chatBody = (more: string) =>
  `{"model": "m", "messages": [{"role": "user", "content": "a\\u00e9"}], "temperature": 0.0, "max_completion_tokens": 3, "stream": true, "stream_options": {"include_usage": true}${more}}`;
const counted = { promptTokens: 3, completionTokens: 3 };

const wires: readonly Wire[] = [
  {
    backend: "sglang",
    path: "/v1/completions",
    body: engineBody,
    events: [
      sglangChunk("H"),
      sglangChunk("é\n"),
      sglangChunk(' "o'),
      sglangChunk("", "length"),
      done,
    ],
    text: 'Hé\n "o',
    gaps: 2,
    usage: null,
  },
  {
    backend: "vllm",
    path: "/v1/completions",
    body: engineBody,
    events: [vllmChunk("H"), vllmChunk(" e"), vllmChunk(" o", "length"), done],
    text: "H e o",
    gaps: 2,
    usage: null,
  },
  {
    backend: "lmdeploy",
    path: "/v1/completions",
    body: engineBody,
    events: [lmdeployChunk("H"), lmdeployChunk(" e"), lmdeployChunk(" o", "length"), done],
    text: "H e o",
    gaps: 2,
    usage: null,
  },
  {
    backend: "openai",
    path: "/v1/completions",
    body: '{"model": "m", "prompt": "a\\u00e9", "temperature": 0.0, "max_tokens": 3, "stream": true, "stream_options": {"include_usage": true}}',
    events: [
      vllmChunk("H"),
      vllmChunk(" e"),
      vllmChunk(" o", "length"),
      usageChunk("text_completion"),
      done,
    ],
    text: "H e o",
    gaps: 2,
    usage: counted,
  },
  {
    backend: "sglang-oai-chat",
    path: "/v1/chat/completions",
    body: chatBody(', "ignore_eos": true'),
    events: [
      chatChunk({ reasoning_content: null, role: "assistant", content: "" }),
      chatChunk({ reasoning_content: null, content: "H" }),
      chatChunk({ reasoning_content: null, content: " e" }),
      chatChunk({ reasoning_content: null, content: " o" }),
      chatChunk({ reasoning_content: null }, "length"),
      usageChunk("chat.completion.chunk"),
      done,
    ],
    text: "H e o",
    gaps: 2,
    usage: counted,
  },
  {
    backend: "vllm-chat",
    path: "/v1/chat/completions",
    body: chatBody(', "ignore_eos": true'),
    events: [
      chatChunk({ role: "assistant", content: "" }),
      // A model that thinks first: its tokens are tokens.
      chatChunk({ reasoning_content: "Hm" }),
      chatChunk({ reasoning_content: "." }),
      chatChunk({ content: "H" }),
      chatChunk({ content: " o" }),
      chatChunk({ content: "" }, "length"),
      usageChunk("chat.completion.chunk"),
      done,
    ],
    text: "Hm.H o",
    gaps: 3,
    usage: counted,
  },
  {
    backend: "openai-chat",
    path: "/v1/chat/completions",
    body: chatBody(""),
    events: [
      chatChunk({ role: "assistant", content: "", refusal: null }),
      chatChunk({ content: "H" }),
      chatChunk({ content: " o" }),
      chatChunk({}, "length"),
      usageChunk("chat.completion.chunk"),
      done,
    ],
    text: "H o",
    gaps: 1,
    usage: counted,
  },
  {
    backend: "sglang-native",
    path: "/generate",
    body: '{"text": "a\\u00e9", "sampling_params": {"temperature": 0.0, "max_new_tokens": 3, "ignore_eos": true}, "stream": true}',
    events: [
      generateChunk("H", 1),
      generateChunk("H", 2), // half a character: withheld
      generateChunk("Hé o", 3, { type: "length", length: 3 }),
      done,
    ],
    text: "Hé o",
    gaps: 2,
    usage: counted,
  },
  {
    backend: "trt",
    path: "/v2/models/ensemble/generate_stream",
    body: '{"accumulate_tokens": true, "text_input": "a\\u00e9", "temperature": 1e-06, "top_p": 1.0, "max_tokens": 3, "stream": true, "min_length": 3, "end_id": 1048576}',
    events: [tritonChunk("H"), tritonChunk("e"), tritonChunk("o")],
    text: "Heo",
    gaps: 2,
    usage: null,
  },
  {
    backend: "llama.cpp",
    path: "/completion",
    body: '{"prompt": "a\\u00e9", "n_predict": 3, "temperature": 0.0, "stream": true, "ignore_eos": true, "cache_prompt": false}',
    events: [":\n\n", llamaChunk("H", 1), llamaChunk(" e", 2), llamaChunk(" o", 3), llamaEnd],
    text: "H e o",
    gaps: 2,
    usage: counted,
  },
];

let server: MockServer;
afterEach(() => server.close());

const transports = { native: sendNative, plain: sendPlain };

async function exchange(
  backend: BackendName,
  reply: readonly Uint8Array[],
  transport: keyof typeof transports,
  more: Partial<BenchOptions> = {},
) {
  const cuts = reply.map((_, i) => reply.slice(0, i).reduce((sum, part) => sum + part.length, 0));
  server = await startMock(replay(Buffer.concat(reply), cuts));
  const options = { ...defaultOptions, backend, host: "127.0.0.1", port: server.port, ...more };
  const target = targetOf(options, backendOf[backend]);
  const request = { prompt: "aé", promptLen: 2, outputLen: 3 };
  const prepared = requestWriter(target, backendOf[backend], "m", options)(request);
  const { records } = await collectLoad(
    {
      ...plainLoad,
      endpoint: target.endpoint,
      schedule: onceEach(new Float64Array(1), () => prepared),
      format: {
        newReader: () => backendOf[backend].newReader(options),
        textPath: backendOf[backend].textPath,
      },
      signal: new AbortController().signal,
    },
    transports[transport],
  );
  return records[0]!;
}

const head = Buffer.from(
  "HTTP/1.1 200 OK\r\ndate: Wed, 01 Jul 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
);
const chunked = (text: string) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from("\r\n"),
  ]);
};
const stream = (events: readonly string[]) => [
  head,
  ...events.map(chunked),
  Buffer.from("0\r\n\r\n"),
];

describe.each(["native", "plain"] as const)("%s", (transport) => {
  test.each(wires)("$backend: what is sent, and what a whole stream means", async (wire) => {
    const record = await exchange(wire.backend, stream(wire.events), transport);
    expect(server.requests.map(({ path, body }) => ({ path, body }))).toEqual([
      { path: wire.path, body: wire.body },
    ]);
    expect(record).toMatchObject({
      failure: null,
      httpStatus: 200,
      text: wire.text,
      usage: wire.usage,
    });
    expect(record.itlsS).toHaveLength(wire.gaps);
    expect(record.ttftS).toBeGreaterThan(0);
    expect(record.latencyS).toBeGreaterThanOrEqual(record.ttftS);
  });

  test.each<[string, BackendName, string[], string, string]>([
    [
      "SGLang, in a stream",
      "sglang",
      [sglangChunk("H"), data({ error: { message: "boom", code: 400 } }), done],
      "error event",
      "boom",
    ],
    [
      "vLLM's chat",
      "vllm-chat",
      [data({ error: { message: "boom" } }), done],
      "error event",
      "boom",
    ],
    [
      "/generate",
      "sglang-native",
      [data({ error: { message: "boom" } }), done],
      "error event",
      "boom",
    ],
    [
      "/generate, given up",
      "sglang-native",
      [generateChunk("H", 1, { type: "abort", message: "boom" }), done],
      "error event",
      "boom",
    ],
    ["Triton", "trt", [tritonChunk("H"), data({ error: "boom" })], "error event", "boom"],
    [
      "llama.cpp",
      "llama.cpp",
      [llamaChunk("H", 1), data({ error: { code: 500, message: "boom", type: "server_error" } })],
      "error event",
      "boom",
    ],
    [
      "llama.cpp, a field of its own",
      "llama.cpp",
      [`error: ${JSON.stringify({ code: 500, message: "boom" })}\n\n`],
      "error event",
      "boom",
    ],
    [
      "llama.cpp without an end",
      "llama.cpp",
      [llamaChunk("H", 1)],
      "cut off",
      "the stream ended without an event of stop: true",
    ],
    [
      "half an event of /generate",
      "sglang-native",
      ['data: {"text": "H\n\n'],
      "malformed",
      'an event is not JSON: \'{"text": "H\'',
    ],
    ["nothing of /generate", "sglang-native", [], "empty", "the reply is 200 with nothing in it"],
    [
      "nothing of llama.cpp",
      "llama.cpp",
      [":\n\n"],
      "empty",
      "the reply is 200 with nothing in it",
    ],
  ])("a failure of %s", async (_, backend, events, failureClass, message) => {
    const record = await exchange(backend, stream(events), transport);
    expect(record.failure).toEqual({ class: failureClass, message } as never);
  });

  test("whole answers, not streams", async () => {
    const whole: [BackendName, object][] = [
      [
        "openai",
        {
          id: "c",
          object: "text_completion",
          choices: [{ index: 0, text: "H o" }],
          usage: { prompt_tokens: 3, completion_tokens: 3 },
        },
      ],
      [
        "vllm-chat",
        {
          id: "c",
          object: "chat.completion",
          choices: [{ index: 0, message: { role: "assistant", content: "H o" } }],
          usage: { prompt_tokens: 3, completion_tokens: 3 },
        },
      ],
      [
        "sglang-native",
        {
          text: "H o",
          output_ids: [1, 2, 3],
          meta_info: {
            prompt_tokens: 3,
            completion_tokens: 3,
            finish_reason: { type: "length", length: 3 },
          },
        },
      ],
      [
        "llama.cpp",
        { index: 0, content: "H o", stop: true, tokens_predicted: 3, tokens_evaluated: 3 },
      ],
    ];
    for (const [backend, answer] of whole) {
      const body = JSON.stringify(answer);
      const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
      const record = await exchange(backend, [Buffer.from(reply)], transport, {
        disableStream: true,
      });
      expect(record).toMatchObject({ failure: null, text: "H o", usage: counted });
      expect(server.requests[0]!.body).toContain('"stream": false');
      expect(server.requests[0]!.body).not.toContain("stream_options");
      await server.close();
    }
  });

  test("/generate of a server that streams what is new alone", async () => {
    const events = [generateChunk("H", 1), generateDelta(" e", 2), generateDelta(" e", 3), done];
    const { text, itlsS } = await exchange("sglang-native", stream(events), transport);
    expect([text, itlsS.length]).toEqual(["H e e", 2]);
  });
});
