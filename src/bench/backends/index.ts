/** Wire formats by backend name. */
import type { BackendName } from "../options.ts";
import type { Backend } from "./backend.ts";
import { llamaCppCompletion } from "./llama-cpp.ts";
import { engineChat, plainChat } from "./openai-chat.ts";
import { openaiCompletions, plainCompletions } from "./openai-completions.ts";
import { sglangGenerate } from "./sglang-generate.ts";
import { tritonGenerateStream } from "./triton.ts";

export type { Backend, ReplyReader } from "./backend.ts";

export const backendOf: Readonly<Record<BackendName, Backend>> = {
  sglang: openaiCompletions,
  vllm: openaiCompletions,
  lmdeploy: openaiCompletions,
  trt: tritonGenerateStream,
  "sglang-native": sglangGenerate,
  "sglang-oai-chat": engineChat,
  "vllm-chat": engineChat,
  "llama.cpp": llamaCppCompletion,
  openai: plainCompletions,
  "openai-chat": plainChat,
};
