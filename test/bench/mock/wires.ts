/**
 * What servers write, byte for byte as their sources write it: fields, their order, white space, escapes, what comes
 * first and last. `source` names the file and the version that it was read in.
 */
import type { BackendName } from "../../../src/bench/options.ts";

export interface Wire {
  readonly backend: BackendName;
  readonly source: string;
  readonly path: string;
  readonly body: string;
  /** Events, each written on its own. */
  readonly events: readonly string[];
  readonly text: string;
  /** Gaps between events that hold tokens. */
  readonly gaps: number;
  readonly usage: { promptTokens: number | null; completionTokens: number | null } | null;
}

export const done = "data: [DONE]\n\n";
export const counted = { promptTokens: 3, completionTokens: 3 };
/** JSON text of a string, non-ASCII as it is. */
const j = JSON.stringify;
/** As Python's json.dumps writes it: nothing but ASCII. */
const ascii = (text: string): string =>
  j(text).replaceAll(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
const orNull = (reason: string | null): string => (reason === null ? "null" : j(reason));

export const sglangChunk = (text: string, reason: string | null = null): string =>
  `data: {"id":"8f0c2b3e9a7d4c55b1e2a3948d7f6c10","object":"text_completion","created":1754000000,"model":"m","choices":[{"index":0,"text":${j(text)},"logprobs":null,"finish_reason":${orNull(reason)},"matched_stop":null}],"usage":null}\n\n`;

/** Reasons are words of Python there, and every chunk counts. */
const oldSglangChunk = (text: string, count: number, reason = "None"): string =>
  `data: {"id":"8f0c2b3e9a7d4c55b1e2a3948d7f6c10","object":"text_completion","created":1722300000,"model":"m","choices":[{"index":0,"text":${j(text)},"logprobs":null,"finish_reason":${j(reason)}}],"usage":{"prompt_tokens":3,"total_tokens":${3 + count},"completion_tokens":${count}}}\n\n`;

export const vllmChunk = (text: string, reason: string | null = null, more = ""): string =>
  `data: {"id":"cmpl-5e1c9c0f","object":"text_completion","created":1754000000,"model":"m","choices":[{"index":0,"text":${j(text)},"logprobs":null,"finish_reason":${orNull(reason)},"stop_reason":null,"prompt_token_ids":null,"token_ids":null}]${more}}\n\n`;
/** --stream-interval puts several tokens in a chunk; stream_options.continuous_usage_stats says how many. */
const vllmCounted = (text: string, count: number, reason: string | null = null): string =>
  vllmChunk(
    text,
    reason,
    `,"usage":{"prompt_tokens":3,"total_tokens":${3 + count},"completion_tokens":${count}}`,
  );

/** json.dumps; what is null is left out; a session is called by its number. */
const lmdeployChunk = (text: string, reason?: string): string =>
  `data: {"id": "17", "object": "text_completion", "created": 1754000000, "model": "m", "choices": [{"index": 0, "text": ${ascii(text)}${reason ? `, "finish_reason": "${reason}"` : ""}}]}\n\n`;

const openaiChunk = (text: string, reason: string | null = null): string =>
  `data: {"id":"cmpl-C1","object":"text_completion","created":1754000000,"choices":[{"text":${j(text)},"index":0,"logprobs":null,"finish_reason":${orNull(reason)}}],"model":"gpt-3.5-turbo-instruct:20230824-v2","usage":null}\n\n`;

export const sglangChat = (delta: string, reason: string | null = null): string =>
  `data: {"id":"8f0c2b3e9a7d4c55b1e2a3948d7f6c10","object":"chat.completion.chunk","created":1754000000,"model":"m","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${orNull(reason)},"matched_stop":null}]}\n\n`;

export const vllmChat = (delta: string, reason: string | null = null): string =>
  `data: {"id":"chatcmpl-5e1c9c0f","object":"chat.completion.chunk","created":1754000000,"model":"m","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${orNull(reason)}${reason ? `,"stop_reason":null` : ""},"token_ids":null}]}\n\n`;
const vllmRole = `data: {"id":"chatcmpl-5e1c9c0f","object":"chat.completion.chunk","created":1754000000,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}\n\n`;

/** Since 2025 each chunk is padded to hide the length of its text. */
const openaiChat = (delta: string, padding: string, reason: string | null = null): string =>
  `data: {"id":"chatcmpl-C1","object":"chat.completion.chunk","created":1754000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_06737a9306","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${orNull(reason)}}],"usage":null,"obfuscation":"${padding}"}\n\n`;

const usageChunk = (id: string, object: string): string =>
  `data: {"id":"${id}","object":"${object}","created":1754000000,"model":"m","choices":[],"usage":{"prompt_tokens":3,"total_tokens":6,"completion_tokens":3}}\n\n`;

export const generateChunk = (text: string, count: number, reason = "null"): string =>
  `data: {"text":${j(text)},"output_ids":[${Array.from({ length: count }, (_, i) => 9906 + i)}],"meta_info":{"id":"9b1d","finish_reason":${reason},"prompt_tokens":3,"weight_version":"default","num_retractions":0,"reasoning_tokens":0,"completion_tokens":${count},"cached_tokens":0,"cached_tokens_details":null,"dp_rank":null}}\n\n`;
/** Of a server with --incremental-streaming-output. */
const generateDelta = (text: string, count: number, reason = "null"): string =>
  `data: {"text":${j(text)},"output_ids":[${count}],"meta_info":{"id":"9b1d","finish_reason":${reason},"prompt_tokens":3,"weight_version":"default","num_retractions":0,"reasoning_tokens":0,"completion_tokens":${count},"cached_tokens":0,"cached_tokens_details":null,"dp_rank":null}}\n\n`;
const oldGenerateChunk = (text: string, count: number, reason = "None"): string =>
  `data: {"text": ${j(text)}, "meta_info": {"prompt_tokens": 3, "completion_tokens": ${count}, "completion_tokens_wo_jump_forward": ${count}, "finish_reason": "${reason}", "id": "9b1d"}}\n\n`;

export const llamaChunk = (content: string, count: number): string =>
  `data: {"index":0,"content":${j(content)},"tokens":[],"stop":false,"id_slot":0,"tokens_predicted":${count},"tokens_evaluated":3}\n\n`;
export const llamaEnd = (count: number): string =>
  `data: {"index":0,"content":"","tokens":[],"id_slot":0,"stop":true,"model":"m","tokens_predicted":${count},"tokens_evaluated":3,"generation_settings":{"seed":4294967295,"temperature":0.0,"dry_sequence_breakers":["\\n",":","\\"","*"],"stream":true,"n_predict":3,"ignore_eos":true},"prompt":"<|begin_of_text|>aé","has_new_line":false,"truncated":false,"stop_type":"limit","stopping_word":"","tokens_cached":5,"timings":{"cache_n":0,"prompt_n":3,"prompt_ms":8.1,"prompt_per_token_ms":2.7,"prompt_per_second":370.4,"predicted_n":${count},"predicted_ms":33.9,"predicted_per_token_ms":11.3,"predicted_per_second":88.5}}\n\n`;
/** A comment where nothing is to be said yet. */
const llamaPing = ":\n\n";

/** Names in their alphabetical order; no [DONE]. */
export const tritonChunk = (text: string): string =>
  `data: {"context_logits":0.0,"cum_log_probs":0.0,"generation_logits":0.0,"model_name":"ensemble","model_version":"1","output_log_probs":[0.0,0.0],"sequence_end":false,"sequence_id":0,"sequence_index":0,"sequence_start":false,"text_output":${j(text)}}\n\n`;

const engineBody =
  '{"model": "m", "prompt": "a\\u00e9", "temperature": 0.0, "best_of": 1, "max_tokens": 3, "stream": true, "ignore_eos": true}';
const chatBody = (more: string): string =>
  `{"model": "m", "messages": [{"role": "user", "content": "a\\u00e9"}], "temperature": 0.0, "max_completion_tokens": 3, "stream": true, "stream_options": {"include_usage": true}${more}}`;
const generateBody =
  '{"text": "a\\u00e9", "sampling_params": {"temperature": 0.0, "max_new_tokens": 3, "ignore_eos": true}, "stream": true}';

const completions = { path: "/v1/completions", body: engineBody };
const generate = { backend: "sglang-native", path: "/generate", body: generateBody } as const;
const chat = { path: "/v1/chat/completions", body: chatBody(', "ignore_eos": true') };

export const wires: readonly Wire[] = [
  {
    ...completions,
    backend: "sglang",
    source: "SGLang of 2026-08, srt/entrypoints/openai/serving_completions.py",
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
    ...completions,
    backend: "sglang",
    source: "SGLang 0.2.7, srt/openai_api/adapter.py",
    events: [
      oldSglangChunk("H", 1),
      oldSglangChunk("", 2),
      oldSglangChunk("é", 3, "FINISH_LENGTH: 3"),
      done,
    ],
    text: "Hé",
    gaps: 1,
    usage: counted,
  },
  {
    ...completions,
    backend: "vllm",
    source: "vLLM of 2026, entrypoints/openai/completion/serving.py",
    events: [vllmChunk("H"), vllmChunk(" e"), vllmChunk(" o", "length"), done],
    text: "H e o",
    gaps: 2,
    usage: null,
  },
  {
    ...completions,
    backend: "vllm",
    source: "the same, --stream-interval 2, continuous_usage_stats, --enable-force-include-usage",
    events: [
      vllmCounted("H", 1),
      vllmCounted(" e o", 3, "length"),
      usageChunk("cmpl-5e1c9c0f", "text_completion"),
      done,
    ],
    text: "H e o",
    gaps: 1,
    usage: counted,
  },
  {
    ...completions,
    backend: "lmdeploy",
    source: "LMDeploy 1263d5cd, serve/openai/endpoints/completions.py",
    events: [
      lmdeployChunk("H"),
      lmdeployChunk("é"),
      lmdeployChunk(" o"),
      lmdeployChunk("", "length"),
      done,
    ],
    text: "Hé o",
    gaps: 2,
    usage: null,
  },
  {
    backend: "openai",
    source: "OpenAI's API reference of 2025",
    path: "/v1/completions",
    body: '{"model": "m", "prompt": "a\\u00e9", "temperature": 0.0, "max_tokens": 3, "stream": true, "stream_options": {"include_usage": true}}',
    events: [
      openaiChunk("H"),
      openaiChunk(" e"),
      openaiChunk(" o"),
      openaiChunk("", "length"),
      usageChunk("cmpl-C1", "text_completion"),
      done,
    ],
    text: "H e o",
    gaps: 2,
    usage: counted,
  },
  {
    ...chat,
    backend: "sglang-oai-chat",
    source: "SGLang of 2026-08, srt/entrypoints/openai/serving_chat.py",
    events: [
      sglangChat('{"reasoning_content":null,"role":"assistant","content":""}'),
      sglangChat('{"reasoning_content":null,"content":"H"}'),
      sglangChat('{"reasoning_content":null,"content":" e"}'),
      sglangChat('{"reasoning_content":null,"content":" o"}'),
      sglangChat('{"reasoning_content":null}', "length"),
      usageChunk("8f0c2b3e9a7d4c55b1e2a3948d7f6c10", "chat.completion.chunk"),
      done,
    ],
    text: "H e o",
    gaps: 2,
    usage: counted,
  },
  {
    ...chat,
    backend: "sglang-oai-chat",
    source: "SGLang 0.2.7, srt/openai_api/adapter.py",
    events: [
      ...['{"role":"assistant","content":null}', '{"role":null,"content":"H"}'].map(
        (delta) =>
          `data: {"id":"8f","object":"chat.completion.chunk","created":1722300000,"model":"m","choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":"None"}]}\n\n`,
      ),
      done,
    ],
    text: "H",
    gaps: 0,
    usage: null,
  },
  {
    ...chat,
    backend: "vllm-chat",
    source:
      "vLLM of 2026, entrypoints/openai/chat_completion/serving.py: a model that thinks first",
    events: [
      vllmRole,
      vllmChat('{"reasoning":"Hm"}'),
      vllmChat('{"reasoning":"."}'),
      vllmChat('{"content":"H"}'),
      vllmChat('{"content":" o"}'),
      vllmChat('{"content":""}', "length"),
      usageChunk("chatcmpl-5e1c9c0f", "chat.completion.chunk"),
      done,
    ],
    text: "Hm.H o",
    gaps: 3,
    usage: counted,
  },
  {
    ...chat,
    backend: "vllm-chat",
    source: "the same: a call of a tool",
    events: [
      vllmRole,
      vllmChat(
        '{"tool_calls":[{"id":"chatcmpl-tool-1","type":"function","index":0,"function":{"name":"now","arguments":""}}]}',
      ),
      vllmChat('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"zone\\": "}}]}'),
      vllmChat('{"tool_calls":[{"index":0,"function":{"arguments":"\\"UTC\\"}"}}]}'),
      vllmChat('{"content":""}', "tool_calls"),
      usageChunk("chatcmpl-5e1c9c0f", "chat.completion.chunk"),
      done,
    ],
    text: 'now{"zone": "UTC"}',
    gaps: 2,
    usage: counted,
  },
  {
    backend: "openai-chat",
    source: "OpenAI's API reference of 2025",
    path: "/v1/chat/completions",
    body: chatBody(""),
    events: [
      openaiChat('{"role":"assistant","content":"","refusal":null}', "x9sG"),
      openaiChat('{"content":"H"}', "Qn"),
      openaiChat('{"content":" o"}', "pL1"),
      openaiChat("{}", "", "length"),
      usageChunk("chatcmpl-C1", "chat.completion.chunk"),
      done,
    ],
    text: "H o",
    gaps: 1,
    usage: counted,
  },
  {
    ...generate,
    source: "SGLang of 2026-08, srt/entrypoints/http_server.py",
    events: [
      generateChunk("H", 1),
      generateChunk("H", 2), // half a character: withheld
      generateChunk("Hé o", 3, '{"type":"length","length":3}'),
      done,
    ],
    text: "Hé o",
    gaps: 2,
    usage: counted,
  },
  {
    ...generate,
    source: "the same, --incremental-streaming-output",
    events: [
      generateDelta("H", 1),
      generateDelta(" e", 2),
      generateDelta(" e", 3, '{"type":"length","length":3}'),
      done,
    ],
    text: "H e e",
    gaps: 2,
    usage: counted,
  },
  {
    ...generate,
    source: "SGLang 0.2.7, srt/server.py",
    events: [
      oldGenerateChunk("H", 1),
      oldGenerateChunk("Hé", 3),
      oldGenerateChunk("Hé", 3, "FINISH_LENGTH: 3"),
      done,
    ],
    text: "Hé",
    gaps: 1,
    usage: counted,
  },
  {
    backend: "trt",
    source: "Triton e1db8a60, src/http_server.cc, with TensorRT-LLM's ensemble",
    path: "/v2/models/ensemble/generate_stream",
    body: '{"accumulate_tokens": true, "text_input": "a\\u00e9", "temperature": 1e-06, "top_p": 1.0, "max_tokens": 3, "stream": true, "min_length": 3, "end_id": 1048576}',
    events: [tritonChunk("H"), tritonChunk("é"), tritonChunk("o")],
    text: "Héo",
    gaps: 2,
    usage: null,
  },
  {
    backend: "llama.cpp",
    source: "llama.cpp 00efb3e1, tools/server/server-task.cpp",
    path: "/completion",
    body: '{"prompt": "a\\u00e9", "n_predict": 3, "temperature": 0.0, "stream": true, "ignore_eos": true, "cache_prompt": false}',
    events: [llamaPing, llamaChunk("H", 1), llamaChunk("é", 2), llamaChunk(" o", 3), llamaEnd(3)],
    text: "Hé o",
    gaps: 2,
    usage: counted,
  },
];

export interface Ending {
  readonly name: string;
  readonly backend: BackendName;
  readonly events: readonly string[];
  readonly class: string;
  readonly message: string;
}

const emptyReply = "the reply is 200 with nothing in it";

/** Replies of status 200 that are none. */
export const failures: readonly Ending[] = [
  {
    name: "an error in SGLang's stream",
    backend: "sglang",
    events: [
      sglangChunk("H"),
      'data: {"error": {"object": "error", "message": "boom", "type": "BadRequestError", "param": null, "code": 400}}\n\n',
      done,
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "a request that SGLang gave up",
    backend: "sglang",
    events: [sglangChunk("H"), sglangChunk("", "abort"), done],
    class: "error event",
    message: "the server gave the request up: its finish_reason is 'abort'",
  },
  {
    name: "a request that vLLM gave up, with text in its last chunk",
    backend: "vllm",
    events: [vllmChunk("H"), vllmChunk(" e", "abort"), done],
    class: "error event",
    message: "the server gave the request up: its finish_reason is 'abort'",
  },
  {
    name: "an error in vLLM's stream",
    backend: "vllm-chat",
    events: [
      vllmRole,
      'data: {"error": {"message": "Internal server error", "type": "InternalServerError", "param": null, "code": 500}}\n\n',
      done,
    ],
    class: "error event",
    message: "Internal server error",
  },
  {
    name: "an error that is the event itself, as of trtllm-serve",
    backend: "vllm-chat",
    events: [
      'data: {"object": "error", "message": "boom", "type": "BadRequestError", "param": null, "code": 400}\n\n',
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "an error beside a choice, as gateways write it",
    backend: "openai-chat",
    events: [
      'data: {"id":"gen-1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"Provider disconnected"}}\n\n',
      done,
    ],
    class: "error event",
    message: "Provider disconnected",
  },
  {
    name: "an error in LMDeploy's stream",
    backend: "lmdeploy",
    events: [
      lmdeployChunk("H"),
      'data: {"error": {"message": "boom", "type": "server_error", "code": 500, "param": null, "object": "error"}}\n\n',
      done,
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "a request that LMDeploy's engine failed",
    backend: "lmdeploy",
    events: [lmdeployChunk("", "error"), done],
    class: "error event",
    message: "the server gave the request up: its finish_reason is 'error'",
  },
  {
    name: "an error of /generate",
    backend: "sglang-native",
    events: [
      'data: {"error":{"message":"boom","type":"invalid_request_error","code":400,"retryable":false}}\n\n',
      done,
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "a request that /generate gave up",
    backend: "sglang-native",
    events: [
      generateChunk(
        "H",
        1,
        '{"type":"abort","message":"boom","status_code":503,"err_type":"SERVICE_UNAVAILABLE"}',
      ),
      done,
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "a request that /generate of SGLang 0.2 gave up",
    backend: "sglang-native",
    events: [oldGenerateChunk("H", 1, "FINISH_ABORT"), done],
    class: "error event",
    message: "the server gave the request up: its finish_reason is 'FINISH_ABORT'",
  },
  {
    name: "/generate without an end",
    backend: "sglang-native",
    events: [generateChunk("H", 1), generateChunk("He", 2)],
    class: "cut off",
    message: "the stream ended without a finish_reason or [DONE]",
  },
  {
    name: "half an event of /generate",
    backend: "sglang-native",
    events: ['data: {"text": "H\n\n'],
    class: "malformed",
    message: 'an event is not JSON: \'{"text": "H\'',
  },
  {
    name: "nothing of /generate",
    backend: "sglang-native",
    events: [],
    class: "empty",
    message: emptyReply,
  },
  {
    name: "an error in Triton's stream",
    backend: "trt",
    events: [tritonChunk("H"), 'data: {"error":"boom"}\n\n'],
    class: "error event",
    message: "boom",
  },
  {
    name: "nothing of Triton",
    backend: "trt",
    events: [],
    class: "empty",
    message: emptyReply,
  },
  {
    name: "an error in llama.cpp's stream",
    backend: "llama.cpp",
    events: [
      llamaChunk("H", 1),
      'data: {"error":{"code":500,"message":"boom","type":"server_error"}}\n\n',
    ],
    class: "error event",
    message: "boom",
  },
  {
    name: "the same with a field of its own, as older ones write it",
    backend: "llama.cpp",
    events: ['error: {"code":500,"message":"boom","type":"server_error"}\n\n'],
    class: "error event",
    message: "boom",
  },
  {
    name: "llama.cpp without an end",
    backend: "llama.cpp",
    events: [llamaChunk("H", 1)],
    class: "cut off",
    message: "the stream ended without an event of stop: true",
  },
  {
    name: "nothing but a comment of llama.cpp",
    backend: "llama.cpp",
    events: [llamaPing],
    class: "empty",
    message: emptyReply,
  },
];

/** The same answers where no stream was asked for; each says "H o" and counts 3 and 3 tokens. */
export const wholeAnswers: readonly (readonly [BackendName, string])[] = [
  [
    "openai",
    '{"id":"cmpl-5e1c9c0f","object":"text_completion","created":1754000000,"model":"m","choices":[{"index":0,"text":"H o","logprobs":null,"finish_reason":"length","stop_reason":null,"prompt_logprobs":null}],"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":3,"total_tokens":6,"completion_tokens":3,"prompt_tokens_details":null},"kv_transfer_params":null}',
  ],
  [
    "vllm-chat",
    '{"id":"chatcmpl-5e1c9c0f","object":"chat.completion","created":1754000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"H o","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":null},"logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":null}],"usage":{"prompt_tokens":3,"total_tokens":6,"completion_tokens":3}}',
  ],
  [
    "sglang-native",
    '{"text":"H o","output_ids":[1,2,3],"meta_info":{"id":"9b1d","finish_reason":{"type":"length","length":3},"prompt_tokens":3,"completion_tokens":3,"cached_tokens":0,"e2e_latency":0.04}}',
  ],
  [
    "llama.cpp",
    '{"index":0,"content":"H o","tokens":[],"id_slot":0,"stop":true,"model":"m","tokens_predicted":3,"tokens_evaluated":3,"stop_type":"limit","stopping_word":""}',
  ],
];
