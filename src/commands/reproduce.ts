/** `servebench reproduce`: SGLang v0.2's published comparison, from one command. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BenchOptions, Plan, PlannedRun, PlannedServer } from "../bench/index.ts";
import { commandLine } from "../bench/reproduce/plan.ts";
import { recipeNames, recipes, scaledFlags } from "../bench/reproduce/recipes.ts";
import { UsageError, UserError } from "../user-error.ts";
import { benchIo, benchOptions } from "./bench.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import {
  choiceFlag,
  type FlagValues,
  numberFlag,
  parseFlags,
  required,
  switchFlag,
  textFlag,
} from "./flags.ts";
import { serve } from "./serve.ts";

const words = {
  recipe: required(
    choiceFlag(
      "offline: five loads sent all at once, told by output tokens/s; online: five Poisson rates from 1 to 16 requests " +
        "a second, told by median end-to-end latency.",
      recipeNames,
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
  "model-path": textFlag(
    "Model of the server that is started, as in servebench serve. Default: preset:llama-3.1-8b, the published one's " +
      "shape with pseudo-random weights; preset:tiny is done within minutes on a CPU.",
    { placeholder: "PATH" },
  ),
  "server-args": textFlag('Further flags of servebench serve, like "--device cpu --threads 8".', {
    default: "",
    placeholder: "FLAGS",
  }),
  "base-url": textFlag("Loads the server that runs there, instead of starting one.", {
    placeholder: "URL",
  }),
  tokenizer: textFlag(
    "Folder, preset or cached model whose tokenizer makes prompts and counts tokens; the model's if not given.",
    { placeholder: "PATH" },
  ),
  "dataset-path": textFlag(
    "ShareGPT file. Without one, ShareGPT_V3_unfiltered_cleaned_split.json in this folder or else a built-in synthetic corpus.",
    { placeholder: "FILE" },
  ),
  "output-dir": textFlag("Folder of results and the server's log; this one if not given.", {
    placeholder: "DIR",
  }),
  "output-file": textFlag(
    "Results, one JSON line a run, instead of sglang_offline_benchmark.jsonl or sglang_online_benchmark.jsonl there.",
    { placeholder: "FILE" },
  ),
  restart: switchFlag("Do all runs anew; the results so far are kept under another name."),
  "dry-run": switchFlag(
    "Print the exact commands, what is done already and the memory needed; run nothing.",
  ),
};
type ReproduceFlags = FlagValues<typeof flags & typeof words>;

export const reproduce = defineCommand({
  name: "reproduce",
  summary: "run SGLang's published comparison, offline or online",
  description:
    "Starts a server with the published flags, measures its speed to estimate the time, then does the five published " +
    "runs of bench_serving one after another and ends in a table. A run whose line is in the results, from the same " +
    "command, scale and model, is not done again: after Ctrl-C or a crash the same command goes on where it was.",
  examples: [
    {
      line: "servebench reproduce offline --scale 0.01 --model-path preset:tiny",
      says: "30 prompts a run on the smallest model: the whole procedure in a few minutes",
    },
    {
      line: "servebench reproduce online --only 1,3 --base-url http://gpu-box:30000 --tokenizer preset:llama-3.1-8b",
      says: "rates 1 and 4 at full size against a server of SGLang or ours that runs already",
    },
    {
      line: "servebench reproduce offline --dry-run",
      says: "the exact commands, to be read or copied",
    },
  ],
  words,
  flags,
  run: async (values, io) => {
    const server = await plannedServer(values, io);
    const plan = planOf(values, server);
    const { reproduce: carryOut, setAside } = await import("../bench/index.ts");
    if (values.restart && !values.dryRun) {
      const aside = setAside(plan.outputFile, new Date());
      if (aside !== null) io.stdout(`The results so far are now in ${aside}\n`);
    }
    return carryOut(plan, await benchIo(io), values.dryRun);
  },
});

function planOf(values: ReproduceFlags, { server, model }: ServerAndModel): Plan {
  const recipe = recipes[values.recipe];
  const { outputDir, outputFile } = values;
  if (outputDir !== null && !existsSync(outputDir)) {
    throw new UserError(`--output-dir: '${outputDir}' does not exist; make it first`);
  }
  const more = [
    "--model",
    model,
    ...(values.tokenizer === null ? [] : ["--tokenizer", values.tokenizer]),
    ...(values.datasetPath === null ? [] : ["--dataset-path", values.datasetPath]),
  ];
  const runs = chosenRuns(values.only, recipe.runs.length).map((number): PlannedRun => {
    const line = [...scaledFlags(recipe.runs[number - 1]!, values.scale), ...more];
    return {
      name: `${values.recipe} ${number}`,
      command: commandLine("bench_serving", line),
      options: benchOptions(line),
    };
  });
  const file = outputFile ?? join(outputDir ?? ".", recipe.outputFile);
  return { recipe, server, runs, outputFile: file };
}

interface ServerAndModel {
  readonly server: PlannedServer;
  /** Its name in requests. */
  readonly model: string;
}

const defaultModel = "preset:llama-3.1-8b";

async function plannedServer(values: ReproduceFlags, io: CommandIo): Promise<ServerAndModel> {
  if (values.baseUrl === null) return ownServer(values, io);
  if (values.modelPath !== null || values.serverArgs !== "") {
    const flag = values.modelPath === null ? "--server-args" : "--model-path";
    throw new UsageError(
      `${flag} is for a server that is started; the one at --base-url runs already. Leave one of the two out`,
    );
  }
  const { servedModel } = await import("../bench/index.ts");
  const options: BenchOptions = benchOptions(["--base-url", values.baseUrl]);
  const model = await servedModel(options, io.signal);
  return { server: { kind: "running", baseUrl: values.baseUrl }, model };
}

async function ownServer(values: ReproduceFlags, io: CommandIo): Promise<ServerAndModel> {
  const model = values.modelPath ?? defaultModel;
  const more = values.serverArgs.split(/\s+/).filter((word) => word !== "");
  const line = ["--model-path", model, ...recipes[values.recipe].server.split(" "), ...more];
  const { servedModelName, dtype } = parseFlags(serve.flags, line);
  const { resolveModel } = await import("../hub/resolve.ts");
  const { kvValuesPerToken, parameterCount, parseConfig } = await import("../model/index.ts");
  const user = { ...io, note: (text: string) => io.stderr(`${text}\n`) };
  const found = await resolveModel(model, { loadFormat: "dummy", user });
  const config = parseConfig(found.config);
  const wide = dtype === "float" || dtype === "float32";
  const valueBytes = wide || (dtype === "auto" && config.storedDtype !== "bfloat16") ? 4 : 2;
  const memory = {
    weightBytes: parameterCount(config) * valueBytes,
    kvBytesPerToken: kvValuesPerToken(config) * valueBytes,
    freeBytes: process.availableMemory(),
  };
  return { server: { kind: "own", flags: line, memory }, model: servedModelName ?? model };
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
