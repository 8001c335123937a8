/** Flags of `servebench bench` for load shapes, data sets and requests beyond bench_serving 0.2; names are SGLang's and vLLM's where they have one. */
import { defaultOptions as usual, rampStrategies } from "../bench/options.ts";
import { choiceFlag, intFlag, numberFlag, switchFlag, textFlag } from "./flags.ts";

const extension = true;

/** When requests are sent. */
const shapeFlags = {
  burstiness: numberFlag(
    "Evenness of arrivals at a rate: gaps are gamma-distributed with this shape. 1 is Poisson, below 1 comes in bursts, inf is constant.",
    { default: usual.burstiness, min: 0, extension },
  ),
  "ramp-up-strategy": choiceFlag(
    "The rate goes from --ramp-up-start-rps to --ramp-up-end-rps, from the first request to the last or over --duration.",
    rampStrategies,
    { extension },
  ),
  "ramp-up-start-rps": numberFlag("Requests a second at the start of a ramp.", {
    min: 0,
    extension,
  }),
  "ramp-up-end-rps": numberFlag("Requests a second at the end of a ramp.", { min: 0, extension }),
  "max-concurrency": intFlag(
    "Requests under way at once, at most, with or without a rate. One that has to wait for a place is late, and its lag says so.",
    { min: 1, extension },
  ),
  duration: numberFlag(
    "Seconds to send for, instead of each request of the data set once. When that runs out it is gone through again with fresh salt.",
    { placeholder: "SECONDS", min: 0.001, max: 1e6, extension },
  ),
  "grace-period": numberFlag(
    "Seconds that replies are waited for after --duration; then they are given up and count as incomplete. inf waits for all.",
    { default: usual.gracePeriod, placeholder: "SECONDS", min: 0, extension },
  ),
} as const;

/** What is in the prompts. */
const promptFlags = {
  "gsp-num-groups": intFlag("generated-shared-prefix: groups of prompts that begin alike.", {
    default: usual.gspNumGroups,
    min: 1,
    extension,
  }),
  "gsp-prompts-per-group": intFlag("generated-shared-prefix: prompts of a group.", {
    default: usual.gspPromptsPerGroup,
    min: 1,
    extension,
  }),
  "gsp-system-prompt-len": intFlag("generated-shared-prefix: tokens that a group shares.", {
    default: usual.gspSystemPromptLen,
    min: 0,
    extension,
  }),
  "gsp-question-len": intFlag("generated-shared-prefix: tokens of a prompt after those.", {
    default: usual.gspQuestionLen,
    min: 1,
    extension,
  }),
  "gsp-output-len": intFlag("generated-shared-prefix: output tokens of each request.", {
    default: usual.gspOutputLen,
    min: 1,
    extension,
  }),
  "cache-hit-ratio": numberFlag(
    "generated-shared-prefix: share of the prompt tokens that a perfect prefix cache finds; divides the sum of both lengths accordingly.",
    { min: 0, max: 1, extension },
  ),
  salt: textFlag(
    "Makes prompts new to the server's prefix cache: random makes others for every run, any other text the same ones again.",
    { placeholder: "TEXT", extension },
  ),
  "apply-chat-template": switchFlag(
    "Put the tokenizer's chat template around each prompt, as a user's message.",
    { extension },
  ),
} as const;

/** What else is in requests, and what is asked beside them. */
const requestFlags = {
  temperature: numberFlag("Temperature of every request.", {
    default: usual.temperature,
    min: 0,
    extension,
  }),
  connection: choiceFlag(
    "close: a connection for each request, as bench_serving; keep-alive: connections are used again.",
    ["close", "keep-alive"],
    { default: usual.connection, extension },
  ),
  "client-threads": intFlag(
    "Threads that send and read: one carries some 100,000 events a second; if not given, one for each 8 processors, at most 4.",
    { min: 1, max: 64, extension },
  ),
  "api-key": textFlag(
    "Sent as bearer token; OPENAI_API_KEY of the environment if not given, which other users of the machine do not see.",
    { placeholder: "KEY", extension },
  ),
  "warmup-requests": intFlag(
    "Requests before the clock starts: the first of the data set, so many times at once.",
    { default: usual.warmupRequests, min: 0, extension },
  ),
  "flush-cache": switchFlag(
    "Empty the prefix cache after the warm-up: POST /flush_cache, which SGLang and servebench have.",
    { extension },
  ),
  "server-metrics": choiceFlag(
    "Ask the server's /metrics once a second for queue, cache and retractions, and put them into the result.",
    ["on", "off"],
    { default: "on", extension },
  ),
} as const;

export const loadFlags = { ...shapeFlags, ...promptFlags, ...requestFlags } as const;
