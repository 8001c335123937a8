/** `servebench bench`: flags of SGLang's bench_serving v0.2.7 and a few of our own. */
import type { BenchIo } from "../bench/index.ts";
import {
  backends,
  compats,
  datasets,
  defaultOptions as usual,
  percentileMetrics,
  type BenchOptions,
  type PercentileMetric,
} from "../bench/options.ts";
import { clientMachine } from "../bench/report/client-machine.ts";
import { commandLine } from "../bench/command-line.ts";
import { parseObjective } from "../bench/statistics/goodput.ts";
import { UsageError } from "../user-error.ts";
import { benchFlagGroups } from "./bench-flag-groups.ts";
import { loadFlags } from "./bench-load-flags.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import {
  choiceFlag,
  commaListFlag,
  type FlagValues,
  givenFlags,
  intFlag,
  jsonFlag,
  numberFlag,
  parseFlags,
  switchFlag,
  textFlag,
  textListFlag,
  wordListFlag,
} from "./flags.ts";

/** What is made of the measurements. Several are vLLM's. */
const statisticsFlags = {
  "num-runs": intFlag("Runs at each rate; their means come with an interval and their variation.", {
    default: usual.numRuns,
    min: 1,
    extension: true,
  }),
  goodput: wordListFlag(
    "Objectives NAME:MILLISECONDS, NAME one of ttft, tpot, e2el; requests that meet all are counted as good.",
    parseObjective,
    { extension: true, placeholder: "[NAME:MS ...]" },
  ),
  "percentile-metrics": commaListFlag(
    "Latencies that --metric-percentiles is about: of ttft, tpot, itl, e2el; the first three if not given.",
    parsePercentileMetric,
    { extension: true },
  ),
  "metric-percentiles": commaListFlag(
    "Percentiles in a table of their own and in the file of --save-result, like 25,50,75; 99 if not given.",
    parsePercent,
    { extension: true },
  ),
  "save-result": switchFlag("Write a JSON file with vLLM's keys for each run.", {
    extension: true,
  }),
  "result-dir": textFlag("Folder of --save-result, made if need be.", {
    extension: true,
    placeholder: "FOLDER",
  }),
  "result-filename": textFlag("Name of the file of --save-result, instead of vLLM's usual one.", {
    extension: true,
    placeholder: "FILE",
  }),
} as const;

function parsePercentileMetric(text: string): PercentileMetric {
  const name = percentileMetrics.find((metric) => metric === text);
  if (name) return name;
  throw new UsageError(`'${text}' is not one of ${percentileMetrics.join(", ")}`);
}

function parsePercent(text: string): number {
  const percent = Number(text);
  if (/^[\d.]+$/.test(text) && percent <= 100) return percent;
  throw new UsageError(`'${text}' is not a number from 0 to 100`);
}

export const bench = defineCommand({
  name: "bench",
  aliases: ["bench_serving"],
  summary: "load a server and tabulate its throughput and latency",
  description:
    "Sends the requests of a data set to a server, all at once, at a rate or so many at a time, and prints bench_serving's table: " +
    "throughput, end-to-end latency, time to first token, time per output token, inter-token latency; then what to make of it: " +
    "failures, percentiles, intervals, and whether the run is valid. " +
    "One JSON line a run is appended to --output-file. Ctrl-C ends the run and reports what has finished.",
  examples: [
    {
      line: "servebench bench --dataset-name random-exact --random-input-len 512 --random-output-len 128 --random-range-ratio 1 --salt random --request-rate 4 --duration 60 --num-runs 3",
      says:
        "A number to trust, in five minutes: what users wait for at 4 requests a second. Prompts are of exactly 512 tokens, and no " +
        'prefix cache knows them; --backend and --base-url name the server. Believe it if each run ends with "Run: valid", all requests are ok and a steady ' +
        "state was found; quote the mean over the runs with its interval, printed last. docs/bench.md says what to do if not.",
    },
    {
      line: "servebench bench --backend vllm --base-url http://gpu-box:8000 --dataset-name random-ids --max-concurrency 32",
      says: "vLLM elsewhere, 32 requests at a time, prompts sent as token ids",
    },
    {
      line: "servebench bench --backend vllm-chat --dataset-name sharegpt --num-prompts 200 --request-rate 2",
      says: "200 conversations through vLLM's chat template on port 8000, 2 a second",
    },
    {
      line: "servebench bench --dataset-name random --num-prompts 3000 --random-input 1024 --random-output 1024 --random-range-ratio 0.5 --output-file runs.jsonl",
      says: "the first offline run of SGLang's published comparison, against port 30000; cut -d':' -f12 runs.jsonl | cut -d',' -f1 prints its throughput",
    },
  ],
  groups: benchFlagGroups,
  flags: {
    backend: choiceFlag(
      "The engine behind the server and its wire format; decides path, body and default port.",
      backends,
      {
        default: usual.backend,
      },
    ),
    "base-url": textFlag("Address of the server, instead of --host and --port; https works.", {
      placeholder: "URL",
    }),
    host: textFlag("Host of the server.", { default: usual.host, placeholder: "HOST" }),
    port: intFlag(
      "Port of the server: 30000 for sglang, 8000 for vllm, trt and openai, 23333 for lmdeploy, 8080 for llama.cpp.",
      {
        min: 1,
        max: 65535,
      },
    ),
    "dataset-name": choiceFlag(
      "sharegpt: conversations; random: their text cut or repeated to random lengths; random-ids: random token ids, sent as ids; " +
        "random-exact: random words that are exactly as many tokens on the server; generated-shared-prefix: groups of prompts that begin alike; custom: a file of JSON lines.",
      datasets,
      { default: usual.datasetName },
    ),
    "dataset-path": textFlag(
      'ShareGPT file, or for custom a file of JSON lines {"prompt", "output_tokens"}. Without one, ShareGPT_V3_unfiltered_cleaned_split.json in this folder or else a built-in synthetic corpus.',
      { default: usual.datasetPath, placeholder: "FILE" },
    ),
    "download-dataset": switchFlag(
      "Instead of the synthetic corpus take ShareGPT from the Hugging Face Hub (about 670 MB, downloaded to its cache once).",
      { extension: true },
    ),
    model: textFlag(
      "Name of the model in requests; the first that the server lists if not given.",
      {
        placeholder: "NAME",
      },
    ),
    tokenizer: textFlag(
      "Folder, preset or org/name of the Hugging Face Hub whose tokenizer counts tokens; --model if not given.",
      {
        placeholder: "PATH",
      },
    ),
    "num-prompts": intFlag("Number of requests; with --duration, of a round.", {
      default: usual.numPrompts,
      min: 1,
    }),
    "sharegpt-output-len": intFlag(
      "sharegpt, custom: output tokens of each request, instead of the answer's length.",
      {
        min: 4,
      },
    ),
    "random-input-len": intFlag(
      "random, random-ids, random-exact: most input tokens of a request.",
      {
        default: usual.randomInputLen,
        min: 1,
      },
    ),
    "random-output-len": intFlag("The same: most output tokens of a request.", {
      default: usual.randomOutputLen,
      min: 0,
    }),
    "random-range-ratio": numberFlag(
      "The same: lengths are drawn from [X * most, most]; 1 makes all alike.",
      {
        default: usual.randomRangeRatio,
        min: 0,
        max: 1,
      },
    ),
    "request-rate": numberFlag("Requests a second, Poisson arrivals; inf sends all at once.", {
      default: usual.requestRate.perSecond,
      min: 0,
    }),
    seed: intFlag("Seed of everything drawn.", { default: usual.seed, min: 0, max: 2 ** 32 - 1 }),
    "disable-tqdm": switchFlag("No display while it runs, no progress bars."),
    multi: switchFlag("One run for each rate of --request-rate-range."),
    "request-rate-range": textFlag(
      "Rates of --multi: start,stop,step (without stop), or a list of fewer or more than three.",
      {
        default: usual.requestRateRange,
        placeholder: "LIST",
      },
    ),
    "output-file": textFlag(
      "JSON lines are appended here; named after backend, date and data set if not given.",
      {
        placeholder: "FILE",
      },
    ),
    "disable-stream": switchFlag("Ask for whole answers, not streams."),
    "disable-ignore-eos": switchFlag(
      "Let the model end its answers itself; then no reply counts as short.",
    ),
    "extra-request-body": jsonFlag("Merged into every request body, last."),
    compat: choiceFlag(
      "Version of bench_serving whose JSON keys and inter-token rule hold.",
      compats,
      {
        default: usual.compat,
        extension: true,
      },
    ),
    "decode-cleanup": choiceFlag(
      "Clean up spaces in random prompts as transformers 4 did when the published figures were made.",
      ["on", "off"],
      { default: "on", extension: true },
    ),
    "allow-truncated": switchFlag("Use what is whole of a data set file that was cut off.", {
      extension: true,
    }),
    header: textListFlag(
      "A further request header, or another value for a usual one; may be repeated.",
      {
        extension: true,
        placeholder: "NAME=VALUE",
      },
    ),
    "output-details": switchFlag(
      "Adds lengths, times, text and error of each request to the end of the JSON line; not for long runs.",
      { extension: true },
    ),
    records: textFlag("One JSON line for each request goes here, written while the run goes on.", {
      extension: true,
      placeholder: "FILE",
    }),
    ...statisticsFlags,
    ...loadFlags,
  },
  run: async (values, io, argv) => {
    const labels = {
      command: commandLine("bench", toldWords(argv)),
      client_machine: clientMachine(),
    };
    const options = { ...toOptions(values), labels };
    const { runBench } = await import("../bench/index.ts");
    const { exitCode } = await runBench(options, await benchIo(io, !values.disableTqdm));
    return exitCode;
  },
});

/** The command line as results may tell it: names of headers are shown, their values and keys are not. */
function toldWords(argv: readonly string[]): string[] {
  return givenFlags(bench.flags, argv).flatMap(({ name, words: [flag, ...texts] }) => {
    if (name === "api-key") return [flag!, "..."];
    if (name === "header") return [flag!, ...texts.map((text) => text.replace(/=[^]*/, "=..."))];
    return [flag!, ...texts];
  });
}

/** What the command line `servebench bench ARGV` asks for. @throws UsageError */
export function benchOptions(argv: readonly string[]): BenchOptions {
  return toOptions(parseFlags(bench.flags, argv));
}

function toOptions(values: FlagValues<typeof bench.flags>): BenchOptions {
  const { header, decodeCleanup, serverMetrics, apiKey, records, requestRate, goodput, ...rest } =
    values;
  return {
    ...rest,
    requestRate: { perSecond: requestRate, integer: false },
    decodeCleanup: decodeCleanup === "on",
    serverMetrics: serverMetrics === "on",
    headers: header.map(parseHeader),
    apiKey: apiKey ?? process.env["OPENAI_API_KEY"] ?? null,
    recordsFile: records,
    goodput: Object.fromEntries(goodput),
    labels: {},
  };
}

/** The load generator's view of the terminal; it finds tokenizers as the server does. Other text makes displays give way. */
export async function benchIo(io: CommandIo, showsProgress = true): Promise<BenchIo> {
  const { resolveDatasetFile, resolveTokenizer } = await import("../hub/resolve.ts");
  const { loadTokenizer } = await import("../tokenizer/huggingface.ts");
  const { inSession, liveViewOf } = await import("../bench/live/view.ts");
  const live = showsProgress ? liveViewOf(process.stderr, process.env, io.stderr) : null;
  const beside = (write: CommandIo["stdout"]) => (text: string) => {
    live?.clear();
    write(text);
  };
  const stderr = beside(io.stderr);
  const isTerminal = io.isTerminal && showsProgress;
  const user = { ...io, isTerminal, stderr, note: (line: string) => stderr(`${line}\n`) };
  return {
    ...user,
    stdout: beside(io.stdout),
    live,
    inSession: inSession(process.env),
    loadTokenizer: async (name) => loadTokenizer(await resolveTokenizer(name, user)),
    fetchDataset: ({ repository, file }) => resolveDatasetFile(repository, file, user),
  };
}

function parseHeader(text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new UsageError(`--header: '${text}' must be NAME=VALUE`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}
