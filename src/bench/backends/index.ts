/** Wire formats by backend name. */
import type { BackendName } from "../options.ts";
import type { Backend } from "./backend.ts";
import { openaiCompletions } from "./openai-completions.ts";
import { tritonGenerateStream } from "./triton.ts";

export type { Backend, ReplyReader } from "./backend.ts";

export const backendOf: Readonly<Record<BackendName, Backend>> = {
  sglang: openaiCompletions,
  vllm: openaiCompletions,
  lmdeploy: openaiCompletions,
  trt: tritonGenerateStream,
};
