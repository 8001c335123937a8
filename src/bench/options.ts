/** What a benchmark run is asked to do: the flags of bench_serving v0.2.7 and a few of our own, as plain data. */
import type { RequestRate } from "./arrivals.ts";
import type { Objectives } from "./statistics/goodput.ts";

/** bench_serving's first. */
export const backends = [
  "sglang",
  "vllm",
  "lmdeploy",
  "trt",
  "sglang-native",
  "sglang-oai-chat",
  "vllm-chat",
  "llama.cpp",
  "openai",
  "openai-chat",
] as const;
export type BackendName = (typeof backends)[number];

export const datasets = [
  "sharegpt",
  "random",
  "random-ids",
  "random-exact",
  "generated-shared-prefix",
  "custom",
] as const;
export type DatasetName = (typeof datasets)[number];

export const rampStrategies = ["linear", "exponential"] as const;
export type RampStrategy = (typeof rampStrategies)[number];

/** The version of bench_serving whose result keys and inter-token rule hold. */
export const compats = ["0.2.13", "0.2.7"] as const;
export type Compat = (typeof compats)[number];

/** What vLLM calls the latencies. */
export const percentileMetrics = ["ttft", "tpot", "itl", "e2el"] as const;
export type PercentileMetric = (typeof percentileMetrics)[number];

export interface BenchOptions {
  readonly backend: BackendName;
  /** Replaces http://host:port. */
  readonly baseUrl: string | null;
  readonly host: string;
  /** null: the backend's usual port. */
  readonly port: number | null;
  readonly datasetName: DatasetName;
  /** "": the default file name in the working directory, else the synthetic corpus. */
  readonly datasetPath: string;
  /** Instead of the synthetic corpus, the ShareGPT file of the Hugging Face Hub. */
  readonly downloadDataset: boolean;
  /** null: the first model that the server lists. */
  readonly model: string | null;
  /** null: the model. */
  readonly tokenizer: string | null;
  readonly numPrompts: number;
  readonly sharegptOutputLen: number | null;
  readonly randomInputLen: number;
  readonly randomOutputLen: number;
  readonly randomRangeRatio: number;
  readonly requestRate: RequestRate;
  readonly seed: number;
  readonly disableTqdm: boolean;
  readonly multi: boolean;
  readonly requestRateRange: string;
  /** null: named after backend, date and data set, in the working directory. */
  readonly outputFile: string | null;
  readonly disableStream: boolean;
  readonly disableIgnoreEos: boolean;
  /** JSON object, merged into every request body last, so it may override. */
  readonly extraRequestBody: string | null;

  readonly temperature: number;
  /** Shape of the gamma distribution of gaps: 1 is Poisson, more is more even, Infinity is constant. */
  readonly burstiness: number;
  /** The rate goes from one to the other, instead of requestRate. */
  readonly rampUpStrategy: RampStrategy | null;
  readonly rampUpStartRps: number | null;
  readonly rampUpEndRps: number | null;
  /** Requests under way at once. */
  readonly maxConcurrency: number | null;
  /** Seconds to send for, instead of numPrompts requests. */
  readonly duration: number | null;
  /** Seconds that replies are waited for after those of duration. */
  readonly gracePeriod: number;
  readonly gspNumGroups: number;
  readonly gspPromptsPerGroup: number;
  readonly gspSystemPromptLen: number;
  readonly gspQuestionLen: number;
  readonly gspOutputLen: number;
  /** Of the tokens of prompts, what a perfect prefix cache would hold; null: as the lengths have it. */
  readonly cacheHitRatio: number | null;
  /** Put before every prompt, so that no cache knows it; "random": new in every run. */
  readonly salt: string | null;
  readonly applyChatTemplate: boolean;
  /** Requests before the clock starts, all at once. */
  readonly warmupRequests: number;
  /** Empties the server's prefix cache after them. */
  readonly flushCache: boolean;
  readonly connection: "close" | "keep-alive";
  /** Threads that send and read; null: by the processors. */
  readonly clientThreads: number | null;
  /** Asks the server for its own figures while it runs. */
  readonly serverMetrics: boolean;

  readonly compat: Compat;
  /** Clean up random prompts after decoding where the tokenizer asks for it, as transformers 4 did. */
  readonly decodeCleanup: boolean;
  /** Use what is whole of a data set file that was cut off. */
  readonly allowTruncated: boolean;
  /** Further request headers, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Sent as bearer token; bench_serving takes it from OPENAI_API_KEY and sends "None" without one. */
  readonly apiKey: string | null;
  /** Lists with a value for each request at the end of the result line. */
  readonly outputDetails: boolean;
  /** One JSON line a request goes here. */
  readonly recordsFile: string | null;
  /** Runs at each rate, which are summed up together. */
  readonly numRuns: number;
  /** Most milliseconds that a request may take to count as good. */
  readonly goodput: Objectives;
  /** null: vLLM's usual ones, and none in the table. */
  readonly percentileMetrics: readonly PercentileMetric[] | null;
  readonly metricPercentiles: readonly number[] | null;
  /** Writes a file with vLLM's keys for each run. */
  readonly saveResult: boolean;
  readonly resultDir: string | null;
  readonly resultFilename: string | null;
  /** Further keys of the result line: what a session of many runs knows about this one. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What holds without flags: bench_serving's defaults (0.2.7 and 0.2.13 agree, but the former requires --backend). */
export const defaultOptions: BenchOptions = {
  backend: "sglang",
  baseUrl: null,
  host: "0.0.0.0",
  port: null,
  datasetName: "sharegpt",
  datasetPath: "",
  downloadDataset: false,
  model: null,
  tokenizer: null,
  numPrompts: 1000,
  sharegptOutputLen: null,
  randomInputLen: 1024,
  randomOutputLen: 128,
  randomRangeRatio: 0,
  requestRate: { perSecond: Infinity, integer: false },
  seed: 0,
  disableTqdm: false,
  multi: false,
  requestRateRange: "2,34,2",
  outputFile: null,
  disableStream: false,
  disableIgnoreEos: false,
  extraRequestBody: null,
  temperature: 0,
  burstiness: 1,
  rampUpStrategy: null,
  rampUpStartRps: null,
  rampUpEndRps: null,
  maxConcurrency: null,
  duration: null,
  gracePeriod: 30,
  gspNumGroups: 64,
  gspPromptsPerGroup: 16,
  gspSystemPromptLen: 2048,
  gspQuestionLen: 128,
  gspOutputLen: 256,
  cacheHitRatio: null,
  salt: null,
  applyChatTemplate: false,
  warmupRequests: 1,
  flushCache: false,
  connection: "close",
  clientThreads: null,
  serverMetrics: true,
  compat: "0.2.13",
  decodeCleanup: true,
  allowTruncated: false,
  headers: [],
  apiKey: null,
  outputDetails: false,
  recordsFile: null,
  numRuns: 1,
  goodput: {},
  percentileMetrics: null,
  metricPercentiles: null,
  saveResult: false,
  resultDir: null,
  resultFilename: null,
  labels: {},
};

/** Their requests cannot ask for more than the model has to say. */
const endEarly: readonly BackendName[] = ["openai", "openai-chat"];

/** Whether every reply is to have exactly the tokens asked for, so that fewer are a failure. */
export function asksForExactOutput(options: BenchOptions): boolean {
  const { backend, disableIgnoreEos, extraRequestBody } = options;
  const ends = /"(ignore_eos|max_tokens|max_new_tokens|stop|stop_token_ids|min_length|end_id)"/;
  return !endEarly.includes(backend) && !disableIgnoreEos && !ends.test(extraRequestBody ?? "");
}

const defaultPorts: Record<BackendName, number> = {
  sglang: 30000,
  vllm: 8000,
  lmdeploy: 23333,
  trt: 8000,
  "sglang-native": 30000,
  "sglang-oai-chat": 30000,
  "vllm-chat": 8000,
  "llama.cpp": 8080,
  openai: 8000,
  "openai-chat": 8000,
};

export function portOf({ port, backend }: BenchOptions): number {
  return port ?? defaultPorts[backend];
}

/** Root of the server's routes, without a slash at the end. */
export function baseUrlOf(options: BenchOptions): string {
  return options.baseUrl?.replace(/\/+$/, "") ?? `http://${options.host}:${portOf(options)}`;
}
