/** `servebench serve`: flags of SGLang's launch_server, and what is honest about each. */
import { UsageError } from "../user-error.ts";
import { defineCommand } from "./command.ts";
import {
  camelCase,
  choiceFlag,
  intFlag,
  intsFlag,
  numberFlag,
  switchFlag,
  textFlag,
  unbuiltFlag,
  type FlagValues,
} from "./flags.ts";

/** Flags of launch_server that change no answer and no capacity here: accepted, with a note of why. */
const noEffect = {
  "enable-torch-compile": "the model always runs as one fused native program",
  "disable-cuda-graph": "there are no CUDA graphs on this device",
  "disable-flashinfer": "attention kernels are built in",
  "disable-flashinfer-sampling": "sampling kernels are built in",
  "disable-disk-cache": "nothing is cached on disk",
  "disable-regex-jump-forward": "regular expressions are not built yet",
  "attention-reduce-in-fp32": "attention always accumulates in fp32",
  "enable-p2p-check": "there is one device",
  "efficient-weight-load": "weights are mapped, then laid out for the kernels one by one",
  "enable-metrics": "/metrics is always there",
  "show-time-cost": "there are no time marks to show",
  "additional-ports": "the server's threads need no ports",
  "file-storage-pth": "no files are stored, /v1/files and /v1/batches are not built",
  "log-level-http": "HTTP requests are not logged",
} as const;

const accepted = (name: keyof typeof noEffect) => `Accepted; ${noEffect[name]}.`;
const ignoredSwitch = (name: keyof typeof noEffect) => switchFlag(accepted(name));

/** HTTP clients can send such a key as it is; of others each makes something else. */
function parseApiKey(text: string): string {
  if (/^[!-~]+$/.test(text)) return text;
  throw new UsageError(
    text === ""
      ? "the key is empty; leave the flag out for a server without a key"
      : "the key must be printable ASCII without spaces: HTTP headers carry nothing else unchanged",
  );
}

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
  port: intFlag(
    "Port to listen on; 0 takes any free one and prints it. One that is taken is an error.",
    {
      default: 30000,
      min: 0,
      max: 65535,
    },
  ),
  "api-key": {
    ...textFlag("Requests must carry it as Bearer token or X-API-Key.", { placeholder: "KEY" }),
    parse: parseApiKey,
  },
  device: choiceFlag(
    "Where the model runs. auto takes the best there is; null computes nothing and answers made-up tokens, to measure the host.",
    ["auto", "cpu", "null"],
    { default: "auto", extension: true, unbuilt: { cuda: "use cpu, or auto" } },
  ),
  "load-format": choiceFlag(
    "dummy fills any model with pseudo-random weights.",
    ["auto", "safetensors", "dummy"],
    {
      default: "auto",
      unbuilt: {
        pt: "only safetensors files are read: convert the checkpoint",
        npcache: "only safetensors files are read: convert the checkpoint",
      },
    },
  ),
  dtype: choiceFlag(
    "Precision of weights and KV cache. auto keeps what the checkpoint holds.",
    ["auto", "bfloat16", "float32", "float"],
    {
      default: "auto",
      unbuilt: { half: "use bfloat16 or float32", float16: "use bfloat16 or float32" },
    },
  ),
  "context-length": intFlag(
    "Most tokens of prompt and output together; from the model's configuration if not given.",
    { min: 2, units: true },
  ),
  "mem-fraction-static": numberFlag("Share of free memory for weights and KV cache.", {
    min: 0.01,
    max: 0.99,
  }),
  "max-total-tokens": intFlag("Tokens in the KV pool; sized from free memory if not given.", {
    min: 16,
    extension: true,
    units: true,
  }),
  "max-running-requests": intFlag("Most requests that decode at once.", { min: 1 }),
  "max-num-reqs": intFlag(
    "One more than the most requests that decode at once, if that is less than --max-running-requests: rows of SGLang's table of requests.",
    { min: 2 },
  ),
  "chunked-prefill-size": intFlag(
    "Most prompt tokens in one step; -1 takes every prompt whole, up to the context length.",
    { min: -1 },
  ),
  "max-prefill-tokens": intFlag(
    "Most prompt tokens in one step, all prompts together; with chunks off, a longer prompt has a step of its own. The smaller of 16384 and the context length if not given.",
    { min: 1, units: true },
  ),
  "page-size": intFlag(
    "Tokens of a page of the KV pool, a multiple of 16; what requests share of a common beginning is whole pages.",
    { default: 16, min: 1, extension: true },
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
  "log-requests": switchFlag("Log a line for each request that ends, without its text."),
  "decode-log-interval": intFlag("Steps that generate tokens between two lines of the log.", {
    default: 40,
    min: 1,
    extension: true,
  }),
  "disable-radix-cache": switchFlag("Do not keep computed prefixes for later requests."),
  "schedule-policy": choiceFlag(
    "Order of waiting requests: first come first served, or longest cached prefix first.",
    ["fcfs", "lpm"],
    {
      default: "fcfs",
      unbuilt: { random: "use fcfs or lpm", "dfs-weight": "use lpm, which also groups prefixes" },
    },
  ),
  "schedule-conservativeness": numberFlag(
    "More than 1 admits fewer requests at once, so that fewer have to give their KV pages back.",
    { default: 1, min: 0.01 },
  ),
  "stream-interval": intFlag(
    "A stream sends its first token, then every so many tokens one event; sampling_params.stream_interval overrides it.",
    { default: 1, min: 1 },
  ),
  "enable-cache-report": switchFlag(
    "usage.prompt_tokens_details of the OpenAI endpoints says how many prompt tokens came from the cache.",
    { extension: true },
  ),
  "chat-template": textFlag(
    "File with a chat template to use instead of the model's own: Jinja, or JSON as of SGLang 0.2.",
    {
      placeholder: "FILE",
    },
  ),
  "tokenizer-mode": choiceFlag("auto takes the fast tokenizer.", ["auto"], {
    default: "auto",
    unbuilt: { slow: "the tokenizer's results are those of the fast one: leave it out" },
  }),
  "skip-tokenizer-init": switchFlag(
    "Load no tokenizer: /generate takes input_ids and answers output_ids; requests for text are refused.",
    { extension: true },
  ),
  "enable-torch-compile": ignoredSwitch("enable-torch-compile"),
  "disable-cuda-graph": ignoredSwitch("disable-cuda-graph"),
  "disable-flashinfer": ignoredSwitch("disable-flashinfer"),
  "disable-flashinfer-sampling": ignoredSwitch("disable-flashinfer-sampling"),
  "disable-disk-cache": ignoredSwitch("disable-disk-cache"),
  "disable-regex-jump-forward": ignoredSwitch("disable-regex-jump-forward"),
  "attention-reduce-in-fp32": ignoredSwitch("attention-reduce-in-fp32"),
  "enable-p2p-check": ignoredSwitch("enable-p2p-check"),
  "efficient-weight-load": ignoredSwitch("efficient-weight-load"),
  "enable-metrics": ignoredSwitch("enable-metrics"),
  "show-time-cost": ignoredSwitch("show-time-cost"),
  "additional-ports": intsFlag(accepted("additional-ports"), { min: 0, max: 65535 }),
  "file-storage-pth": textFlag(accepted("file-storage-pth"), { placeholder: "PATH" }),
  "log-level-http": textFlag(accepted("log-level-http"), { placeholder: "LEVEL" }),
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
  "node-rank": unbuiltFlag(
    "This machine's number.",
    "the server runs on one machine; leave it out",
    ["0"],
    { placeholder: "N" },
  ),
  "nccl-init-addr": unbuiltFlag(
    "Where machines and ranks meet.",
    "the model runs on one device; leave it out",
    [],
    { placeholder: "HOST:PORT", aliases: ["dist-init-addr"] },
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
    for (const [name, note] of Object.entries(noEffect)) {
      const given = values[camelCase(name) as keyof ServeFlags];
      const isGiven = Array.isArray(given) ? given.length > 0 : given !== null && given !== false;
      if (isGiven) io.stderr(`note: --${name} changes nothing: ${note}\n`);
    }
    if (values.pageSize % 16 !== 0) {
      throw new UsageError(`--page-size: expected a multiple of 16, got ${values.pageSize}`);
    }
    const { runServer } = await import("../server/serve.ts");
    return runServer({ ...values, dtype: values.dtype === "float" ? "float32" : values.dtype }, io);
  },
});
