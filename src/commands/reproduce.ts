/** `servebench reproduce`: SGLang v0.2's published comparison, from one command. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BenchOptions, Plan, PlannedRun, Series } from "../bench/index.ts";
import { commandLine } from "../bench/command-line.ts";
import type { ModelMemory } from "../bench/reproduce/plan.ts";
import { type RecipeName, recipes, recipeWords, scaledFlags } from "../bench/reproduce/recipes.ts";
import { besideOutput } from "../bench/results/ledger.ts";
import { UsageError, UserError } from "../user-error.ts";
import { bench, benchIo, benchOptions } from "./bench.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import {
  choiceFlag,
  type FlagValues,
  numberFlag,
  parseFlags,
  required,
  switchFlag,
  textFlag,
  textListFlag,
} from "./flags.ts";
import {
  backendOf,
  checkNames,
  type LaunchedSystem,
  parseSystem,
  publishedFlags,
  type RunningSystem,
  type System,
  systemForms,
  usualModel,
} from "./reproduce-systems.ts";
import { serve } from "./serve.ts";

const words = {
  recipe: required(
    choiceFlag(
      "offline: five loads sent all at once, told by output tokens/s; online: five Poisson rates from 1 to 16 requests " +
        "a second, told by median end-to-end latency; all: both.",
      ["offline", "online", "all"],
    ),
  ),
};

const flags = {
  scale: numberFlag(
    "Multiplies the number of prompts of each run, and nothing else; each run keeps at least one.",
    { default: 1, min: 0, max: 1000 },
  ),
  only: textFlag("Numbers of the runs to do, like 1,3; all five if not given.", {
    placeholder: "LIST",
  }),
  system: textListFlag(
    `A system to measure: ${systemForms} ("vllm=launch:vllm --gpu-memory-utilization 0.95"). May be repeated: each is a ` +
      "column of the tables. KIND is servebench, sglang, vllm, trtllm, llama-server, or command with a whole command line. " +
      "Default: servebench's own engine.",
    { placeholder: "SYSTEM" },
  ),
  "model-path": textListFlag(
    "Model of the servers that are started, as in servebench serve; may be repeated. Default: preset:llama-3.1-8b, the " +
      "published one's shape with pseudo-random weights, for other engines the published one; preset:tiny is done within " +
      "minutes on a CPU.",
    { placeholder: "PATH" },
  ),
  "server-args": textFlag(
    'Further flags of servebench serve where it is started, like "--device cpu --threads 8".',
    { default: "", placeholder: "FLAGS" },
  ),
  "base-url": textFlag(
    "Loads the server that runs there, instead of starting one; --system loads several.",
    { placeholder: "URL" },
  ),
  backend: { ...bench.flags.backend, help: "Of the server at --base-url, as in servebench bench." },
  model: textFlag("Of the server at --base-url; the first that it lists if not given.", {
    placeholder: "NAME",
  }),
  tokenizer: textFlag(
    "Folder, preset or cached model whose tokenizer makes prompts and counts tokens; the model's if not given.",
    { placeholder: "PATH" },
  ),
  "dataset-path": textFlag(
    "ShareGPT file. Without one, ShareGPT_V3_unfiltered_cleaned_split.json in this folder or else a built-in synthetic corpus.",
    { placeholder: "FILE" },
  ),
  "output-dir": textFlag(
    "Folder of results, report and the servers' logs; this one if not given.",
    {
      placeholder: "DIR",
    },
  ),
  "output-file": textFlag(
    "All results, one JSON line a run, instead of sglang_offline_benchmark.jsonl and sglang_online_benchmark.jsonl there " +
      "(with --system, NAME_offline_benchmark.jsonl and so on).",
    { placeholder: "FILE" },
  ),
  restart: switchFlag("Do all runs anew; the results so far are kept under another name."),
  "dry-run": switchFlag(
    "Print the exact commands, what is done already, the memory and about the time needed; run nothing.",
  ),
};
type ReproduceFlags = FlagValues<typeof flags & typeof words>;

export const reproduce = defineCommand({
  name: "reproduce",
  summary: "run SGLang's published comparison, offline and online",
  description:
    "For each system and model: starts the server with the published flags, measures its speed to estimate the time, and " +
    "does the published runs of bench_serving one after another. Ends in the comparison's tables and charts, with the " +
    "published figures beside those measured, in the terminal and as a page (reproduce_all.html) and Markdown beside the results. " +
    "A run whose line is in the results, from the same command, scale and model, is not done again: after Ctrl-C or a crash " +
    "the same command goes on where it was.",
  examples: [
    {
      line: "servebench reproduce all --scale 0.01 --model-path preset:tiny",
      says: "at most 32 prompts a run on the smallest model: the whole procedure in a few minutes",
    },
    {
      line: "servebench reproduce online --only 1,3 --base-url http://gpu-box:30000 --tokenizer preset:llama-3.1-8b",
      says: "rates 1 and 4 at full size against a server of SGLang or ours that runs already",
    },
    {
      line: "servebench reproduce all --system sglang=launch:sglang --system vllm=http://gpu-box:8000,backend=vllm",
      says: "all ten runs on both, one after the other, in one table",
    },
    {
      line: "servebench reproduce offline --dry-run",
      says: "the exact commands, to be read or copied",
    },
  ],
  words,
  flags,
  run: async (values, io) => {
    const plan = await planOf(values, io);
    const { outputFiles, reproduce: carryOut, setAside } = await import("../bench/index.ts");
    if (values.restart && !values.dryRun) {
      for (const file of outputFiles(plan)) {
        const aside = setAside(file, new Date());
        if (aside !== null) io.stdout(`The results so far are now in ${aside}\n`);
      }
    }
    return carryOut(plan, await benchIo(io), values.dryRun);
  },
});

async function planOf(values: ReproduceFlags, io: CommandIo): Promise<Plan> {
  const { outputDir, outputFile, recipe, scale } = values;
  if (outputDir !== null && !existsSync(outputDir)) {
    throw new UserError(`--output-dir: '${outputDir}' does not exist; make it first`);
  }
  const report = outputFile === null ? `reproduce_${recipe}` : besideOutput(outputFile, "");
  const reportFile = outputFile === null ? join(outputDir ?? ".", report) : report;
  const series: Series[] = [];
  for (const system of systemsOf(values)) {
    if (system.kind === "running") series.push(await runningSeries(system, values, io));
    else {
      const named = values.modelPath.length > 0 ? values.modelPath : [usualModel(system)];
      for (const model of named) series.push(await launchedSeries(system, model, values, io));
    }
  }
  return { series, scale, reportFile };
}

/** What is measured where no system is named. */
const own: LaunchedSystem = {
  kind: "launch",
  name: "servebench",
  template: "servebench",
  args: [],
};

function systemsOf(values: ReproduceFlags): System[] {
  const { baseUrl, backend, model, system: named } = values;
  checkUsed(values);
  if (baseUrl !== null) {
    const name = baseUrl.replace(/^https?:\/\//, "");
    return [{ kind: "running", name, baseUrl, backend, model, tokenizer: null }];
  }
  const systems = named.map((text) => {
    try {
      return parseSystem(text);
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`--system: ${error.message}`) : error;
    }
  });
  checkNames(systems);
  return systems.length > 0 ? systems : [own];
}

/** @throws UsageError for flags that would change nothing. */
function checkUsed({ baseUrl, model, modelPath, serverArgs, system }: ReproduceFlags): void {
  if (baseUrl !== null && system.length > 0) {
    throw new UsageError("--base-url is one system alone; give it as another --system NAME=URL");
  }
  const started =
    baseUrl === null && (system.length === 0 || system.some((s) => s.includes("=launch:")));
  const unused = modelPath.length > 0 ? "--model-path" : serverArgs === "" ? null : "--server-args";
  if (!started && unused !== null) {
    throw new UsageError(
      `${unused} is for a server that is started; this one runs already. Leave one of the two out`,
    );
  }
  if (baseUrl === null && model !== null) {
    throw new UsageError("--model is of the server at --base-url; to start one, give --model-path");
  }
}

async function runningSeries(
  system: RunningSystem,
  values: ReproduceFlags,
  io: CommandIo,
): Promise<Series> {
  const { servedModel } = await import("../bench/index.ts");
  const { baseUrl, backend } = system;
  const options: BenchOptions = benchOptions(["--base-url", baseUrl, "--backend", backend]);
  const model = system.model ?? (await servedModel(options, io.signal));
  const server = { kind: "running", baseUrl } as const;
  return { server, memory: null, ...seriesOf(system, model, system.tokenizer, values) };
}

async function launchedSeries(
  system: LaunchedSystem,
  model: string,
  values: ReproduceFlags,
  io: CommandIo,
): Promise<Series> {
  const { template } = system;
  if (template !== "servebench") {
    if (model.startsWith("preset:")) {
      throw new UsageError(
        `--model-path: ${model} is known to servebench only, not to ${template}`,
      );
    }
    const args = [...publishedFlags(system, model), ...system.args];
    const server = { kind: "template", template, model, args } as const;
    return { server, memory: null, ...seriesOf(system, model, null, values) };
  }
  const more = values.serverArgs.split(/\s+/).filter((word) => word !== "");
  const flagWords = [
    "--model-path",
    model,
    ...publishedFlags(system, model),
    ...more,
    ...system.args,
  ];
  const { servedModelName, dtype } = parseFlags(serve.flags, flagWords);
  const memory = await memoryOf(model, dtype, io);
  return {
    server: { kind: "own", flags: flagWords },
    memory,
    ...seriesOf(system, servedModelName ?? model, null, values),
  };
}

/** What all kinds of systems share; `tokenizer` is the system's own, if it has one. */
function seriesOf(
  system: System,
  model: string,
  tokenizer: string | null,
  values: ReproduceFlags,
): Pick<Series, "system" | "model" | "runs" | "logFile"> {
  const of = tokenizer ?? values.tokenizer;
  const more = [
    "--model",
    model,
    ...(of === null ? [] : ["--tokenizer", of]),
    ...(values.datasetPath === null ? [] : ["--dataset-path", values.datasetPath]),
  ];
  const runs = recipeWords[values.recipe].flatMap((recipe) =>
    chosenRuns(values.only, recipes[recipe].runs.length).map((number): PlannedRun => {
      const published = recipes[recipe].runs[number - 1]!.replace(
        /--backend \S+/,
        `--backend ${backendOf(system)}`,
      );
      const line = [...scaledFlags(published, values.scale), ...more];
      return {
        recipe,
        number,
        command: commandLine("bench_serving", line),
        options: benchOptions(line),
        outputFile: outputFileOf(recipe, system, values),
      };
    }),
  );
  const logFile = besideOutput(runs[0]!.outputFile, ".server.log");
  return { system: system.name, model, runs, logFile };
}

/** The published name; where systems are named, each has files of its own. */
function outputFileOf(recipe: RecipeName, system: System, values: ReproduceFlags): string {
  const { outputDir, outputFile, system: named } = values;
  const usual = recipes[recipe].outputFile;
  const name = named.length > 0 ? usual.replace(/^sglang/, system.name) : usual;
  return outputFile ?? join(outputDir ?? ".", name);
}

async function memoryOf(model: string, dtype: string, io: CommandIo): Promise<ModelMemory> {
  const { resolveModel } = await import("../hub/resolve.ts");
  const { kvValuesPerToken, parameterCount, parseConfig } = await import("../model/index.ts");
  const user = { ...io, note: (text: string) => io.stderr(`${text}\n`) };
  const config = await resolveModel(model, { loadFormat: "dummy", user })
    .then((found) => parseConfig(found.config))
    .catch((error: Error) => {
      throw error instanceof UserError
        ? error
        : new UserError(`--model-path: ${error.message}`, { cause: error });
    });
  const wide = dtype === "float" || dtype === "float32";
  const valueBytes = wide || (dtype === "auto" && config.storedDtype !== "bfloat16") ? 4 : 2;
  const parameters = parameterCount(config);
  return {
    parameters,
    weightBytes: parameters * valueBytes,
    kvBytesPerToken: kvValuesPerToken(config) * valueBytes,
    freeBytes: process.availableMemory(),
  };
}

/** "1,3" to numbers, ascending; null means all. */
function chosenRuns(list: string | null, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i + 1);
  if (list === null) return all;
  const chosen = list.split(",").map((part) => Number(part));
  const wrong = chosen.findIndex((number) => !all.includes(number));
  if (wrong >= 0) {
    const part = list.split(",")[wrong];
    throw new UsageError(`--only: '${part}' is not a run; name some of ${all.join(",")}`);
  }
  return all.filter((number) => chosen.includes(number));
}
