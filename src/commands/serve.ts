/** `servebench serve`: flags of SGLang's launch_server, and what is honest about each. */
import { defineCommand } from "./command.ts";
import {
  camelCase,
  choiceFlag,
  intFlag,
  numberFlag,
  switchFlag,
  textFlag,
  unbuiltFlag,
  type FlagValues,
} from "./flags.ts";

/** Switches of launch_server that only concern speed: accepted, with a note of what happens instead. */
const speedOnly = {
  "enable-torch-compile": "the model always runs as one fused native program",
  "disable-cuda-graph": "there are no CUDA graphs on this device",
  "disable-flashinfer": "attention kernels are built in",
  "disable-flashinfer-sampling": "sampling kernels are built in",
  "disable-disk-cache": "nothing is cached on disk",
  "disable-regex-jump-forward": "regular expressions are not built yet",
  "attention-reduce-in-fp32": "attention always accumulates in fp32",
  "enable-p2p-check": "there is one device",
  "efficient-weight-load": "weights are mapped, then laid out for the kernels one by one",
} as const;
type SpeedOnly = keyof typeof speedOnly;

const speedOnlyFlags = Object.fromEntries(
  Object.entries(speedOnly).map(([name, note]) => [name, switchFlag(`Accepted; ${note}.`)]),
) as Record<SpeedOnly, ReturnType<typeof switchFlag>>;

const flags = {
  "model-path": textFlag(
    "What to serve: a local Hugging Face folder, org/name of the Hugging Face Hub (downloaded to its cache unless " +
      "there), or a built-in preset with pseudo-random weights (preset:tiny, preset:135m, preset:llama-3.2-1b, preset:llama-3.1-8b, preset:llama-3.1-70b).",
    { default: "preset:tiny", placeholder: "PATH" },
  ),
  "tokenizer-path": textFlag("Folder, org/name or preset of the tokenizer, if not the model's.", {
    placeholder: "PATH",
  }),
  revision: textFlag("Branch, tag or commit of org/name on the Hub; main if not given.", {
    extension: true,
    placeholder: "REV",
  }),
  "served-model-name": textFlag("Name in /v1/models and answers; the model path if not given.", {
    extension: true,
    placeholder: "NAME",
  }),
  host: textFlag("Address to listen on; 0.0.0.0 opens the server to the network.", {
    default: "127.0.0.1",
    placeholder: "HOST",
  }),
  port: intFlag("Port to listen on; 0 takes any free one and prints it.", {
    default: 30000,
    min: 0,
    max: 65535,
  }),
  "api-key": textFlag("Requests must carry it as Bearer token or X-API-Key.", {
    placeholder: "KEY",
  }),
  device: choiceFlag(
    "Where the model runs. auto takes the best there is; null computes nothing and answers made-up tokens, to measure the host.",
    ["auto", "cpu", "cuda", "null"],
    { default: "auto", extension: true },
  ),
  "load-format": choiceFlag(
    "dummy fills any model with pseudo-random weights.",
    ["auto", "safetensors", "dummy"],
    {
      default: "auto",
    },
  ),
  dtype: choiceFlag(
    "Precision of weights and KV cache. auto keeps what the checkpoint holds.",
    ["auto", "bfloat16", "float32", "float"],
    { default: "auto" },
  ),
  "context-length": intFlag(
    "Most tokens of prompt and output together; from the model's configuration if not given.",
    {
      min: 2,
    },
  ),
  "mem-fraction-static": numberFlag("Share of free memory for weights and KV cache.", {
    min: 0.01,
    max: 0.99,
  }),
  "max-total-tokens": intFlag("Tokens in the KV pool; sized from free memory if not given.", {
    min: 16,
    extension: true,
  }),
  "max-running-requests": intFlag("Most requests that decode at once.", { min: 1 }),
  "chunked-prefill-size": intFlag(
    "Most prompt tokens in one step; -1 takes every prompt whole, up to the context length.",
    { min: -1 },
  ),
  "max-queued-requests": intFlag(
    "Requests that may wait; one more gets 503. Unlimited if not given.",
    {
      min: 1,
      extension: true,
    },
  ),
  threads: intFlag("CPU threads of the engine; all available cores if not given.", {
    min: 1,
    extension: true,
  }),
  "random-seed": intFlag("Seed of requests that bring none; random if not given.", { min: 0 }),
  "log-level": choiceFlag(
    "What the log on standard error holds.",
    ["error", "warning", "info", "debug"],
    {
      default: "info",
    },
  ),
  "disable-radix-cache": switchFlag("Do not keep computed prefixes for later requests."),
  "schedule-policy": choiceFlag(
    "Order of waiting requests: first come first served, or longest cached prefix first.",
    ["fcfs", "lpm"],
    { default: "fcfs" },
  ),
  "schedule-conservativeness": numberFlag(
    "More than 1 admits fewer requests at once, so that fewer have to give their KV pages back.",
    { default: 1, min: 0.01 },
  ),
  ...speedOnlyFlags,
  "tp-size": unbuiltFlag(
    "Tensor parallel ranks.",
    "the model runs on one device; leave it out",
    ["1"],
    {
      aliases: ["tensor-parallel-size"],
      placeholder: "N",
    },
  ),
  "dp-size": intFlag("Replicas of the model that share threads and memory of this machine.", {
    default: 1,
    min: 1,
    aliases: ["data-parallel-size"],
  }),
  "load-balance-method": choiceFlag(
    "How requests are shared out among replicas.",
    ["round_robin", "shortest_queue"],
    { default: "round_robin" },
  ),
  nnodes: unbuiltFlag(
    "Number of machines.",
    "the server runs on one machine; leave it out",
    ["1"],
    {
      placeholder: "N",
    },
  ),
  quantization: unbuiltFlag(
    "Quantised weights.",
    "weights are served as bf16 or fp32; leave it out",
  ),
  "kv-cache-dtype": unbuiltFlag(
    "Precision of the KV cache.",
    "it follows --dtype; leave it out",
    ["auto"],
    {
      extension: true,
    },
  ),
  "trust-remote-code": switchFlag("Accepted; no code of a model is ever run."),
};
export type ServeFlags = FlagValues<typeof flags>;

export const serve = defineCommand({
  name: "serve",
  aliases: ["launch_server"],
  summary: "serve a model over HTTP (OpenAI and SGLang APIs)",
  description:
    "Loads a model and answers /v1/completions, /v1/chat/completions and /generate until Ctrl-C. " +
    "When requests can be answered it prints: servebench: ready at http://HOST:PORT (model, device, N KV tokens).",
  examples: [
    {
      line: "servebench serve",
      says: "serves preset:tiny, which needs no download, on 127.0.0.1:30000",
    },
    {
      line: "servebench serve --model-path ./SmolLM2-135M-Instruct --port 8000",
      says: "serves a local Hugging Face folder",
    },
    {
      line: "servebench serve --model-path HuggingFaceTB/SmolLM2-135M-Instruct",
      says: "downloads the model to the Hugging Face cache, or takes it from there",
    },
    {
      line: "servebench launch_server --model-path preset:llama-3.2-1b --disable-radix-cache",
      says: "SGLang's spelling of the command; the shape of Llama 3.2 1B with pseudo-random weights",
    },
  ],
  flags,
  run: async (values, io) => {
    for (const [name, note] of Object.entries(speedOnly)) {
      const given = values[camelCase(name) as keyof ServeFlags];
      if (given === true) io.stderr(`note: --${name} changes nothing: ${note}\n`);
    }
    const { runServer } = await import("../server/serve.ts");
    return runServer({ ...values, dtype: values.dtype === "float" ? "float32" : values.dtype }, io);
  },
});
