/** `servebench sweep`: a grid of runs; and `search`: the greatest load that meets goals, in each cell of a grid. */
import { statSync } from "node:fs";
import { baseUrlOf, type BenchOptions } from "../bench/options.ts";
import { commandLine } from "../bench/command-line.ts";
import type { ServerChoice } from "../bench/loaded-server.ts";
import type { Cell, SweepPlan, SweepRun } from "../bench/sweep/sweep.ts";
import { UsageError, UserError } from "../user-error.ts";
import { bench, benchIo, benchOptions } from "./bench.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import {
  choiceFlag,
  commaListFlag,
  type FlagValues,
  givenFlags,
  intFlag,
  numberFlag,
  parseFlags,
  required,
  switchFlag,
  textListFlag,
} from "./flags.ts";
import { serve } from "./serve.ts";

const {
  multi: _multi,
  "request-rate-range": _range,
  "num-runs": _runs,
  ...benchFlags
} = bench.flags;

const sweepFlags = {
  rates: commaListFlag("Request rates of the grid, like 1,2,4,inf.", positive, { extension: true }),
  concurrencies: commaListFlag(
    "Greatest numbers of requests under way of the grid, like 1,8,64.",
    positiveInteger,
    {
      extension: true,
    },
  ),
  lengths: commaListFlag(
    "Lengths of random data sets in the grid as INPUT/OUTPUT tokens, like 128/128,2048/128.",
    parseLengths,
    { extension: true },
  ),
  datasets: commaListFlag("Data sets of the grid, like sharegpt,random.", (text) => text, {
    extension: true,
  }),
  serve: textListFlag(
    'A server of the grid that is started for its runs, by flags of servebench serve: "--model-path preset:tiny --page-size 32". May be repeated; without it the runs load the server that runs.',
    { extension: true, placeholder: "FLAGS" },
  ),
  repeats: intFlag(
    "Runs of each cell; in a search, the most runs of a value that is close to a limit, and those of the answer.",
    {
      default: 1,
      min: 1,
      max: 100,
      extension: true,
    },
  ),
  "prompts-factor": numberFlag(
    "Requests of a run: so many times its rate or concurrency (at a rate, seconds of load), instead of --num-prompts.",
    { min: 0, extension: true },
  ),
  "same-seed": switchFlag(
    "All runs send the same prompts; else each draws its own, so that no prefix cache knows them.",
    { extension: true },
  ),
  search: choiceFlag(
    "Instead of a list of them, look for the greatest that meets all --slo.",
    ["rate", "concurrency"],
    {
      extension: true,
    },
  ),
  slo: textListFlag(
    'A goal of the search, FIGURE<LIMIT in milliseconds: "ttft_p99<500", "tpot_mean<50", "e2e_p99<5s". May be repeated. error_rate<1% is always one, unless given.',
    { extension: true, placeholder: "GOAL" },
  ),
  "search-start": numberFlag("First value that the search tries.", {
    default: 1,
    min: 0,
    extension: true,
  }),
  "search-min": numberFlag(
    "Least value that the search tries; 1/16 of the first (concurrency: 1) if not given.",
    {
      min: 0,
      extension: true,
    },
  ),
  "search-max": numberFlag("Greatest value that the search tries.", {
    default: 4096,
    min: 0,
    extension: true,
  }),
  precision: numberFlag("The search ends when its ends differ by this share.", {
    default: 0.05,
    min: 0.001,
    max: 1,
    extension: true,
  }),
  "dry-run": switchFlag("Print what would be done and what is done already; run nothing.", {
    extension: true,
  }),
};
const flags = { ...benchFlags, ...sweepFlags };
const isOfSearch = (name: string): boolean => /^(?:search|slo|precision)/.test(name);
type Values = FlagValues<typeof flags>;

const gridGroup = {
  title: "The grid",
  names: Object.keys(sweepFlags).filter((name) => !isOfSearch(name)),
};
const searchGroup = { title: "The search", names: Object.keys(sweepFlags).filter(isOfSearch) };
const runGroup = {
  title: "Of each run, as servebench bench --help explains them",
  names: Object.keys(benchFlags),
  brief: true,
};

export const sweep = defineCommand({
  name: "sweep",
  summary: "a grid of runs, or the greatest load that meets goals",
  description:
    "Takes the flags of servebench bench and runs it in each cell of a grid over rates, concurrencies, lengths, data sets and " +
    "servers; each run appends its line to --output-file (sweep.jsonl). A run whose line is there is not done again: after Ctrl-C the " +
    "same command goes on where it was. With --search it looks for the greatest rate or concurrency that meets the goals, in each cell of " +
    "the rest of the grid: doubling or halving, then bisecting, and repeating runs (--repeats) whose 95 % interval holds a limit. " +
    "Exit code 3 if none meets them.",
  examples: [
    {
      line: "servebench sweep --dataset-name random-ids --rates 1,2,4,8 --prompts-factor 60 --repeats 3",
      says: "a minute at each rate, three times: the rate-latency curve with error bars",
    },
    {
      line: 'servebench sweep --dataset-name random-ids --search rate --slo "ttft_p99<500" --slo "tpot_p99<50" --repeats 3',
      says: "the greatest rate with both goals met, 1000 requests a run",
    },
    {
      line: 'servebench sweep --concurrencies 1,4,16 --lengths 128/32,512/32 --dataset-name random-ids --num-prompts 64 --serve "--model-path preset:tiny" --serve "--model-path preset:tiny --disable-radix-cache"',
      says: "the same grid on two servers, each started for it",
    },
  ],
  flags,
  groups: [gridGroup, searchGroup, runGroup],
  run: carryOut,
});

const { search: _search, ...searchFlags } = flags;

export const searchCommand = defineCommand({
  name: "search",
  summary: "the greatest rate or concurrency that meets goals",
  description:
    "Looks for the greatest request rate or number of requests under way at which the server still meets the goals (--slo): it doubles or " +
    "halves, then bisects, and repeats runs (--repeats) whose 95 % interval holds a limit. The answer says how sure it is and what it took. " +
    "Takes the flags of servebench bench; with lists of lengths, data sets or servers it searches in each of their cells. Each run " +
    "appends its line to --output-file (sweep.jsonl), and one whose line is there is not done again. Exit code 3 if none meets the goals. " +
    "The same as servebench sweep --search.",
  examples: [
    {
      line: 'servebench search rate --dataset-name random-ids --slo "ttft_p99<500" --slo "tpot_p99<50" --repeats 3',
      says: "the greatest rate with both goals met, 1000 requests a run",
    },
    {
      line: 'servebench search concurrency --dataset-name random-ids --num-prompts 200 --slo "e2e_p99<5s" --lengths 128/32,512/32',
      says: "how many users at a time, for short and for long prompts",
    },
  ],
  words: {
    axis: required(
      choiceFlag("What to look for: the greatest rate, or the greatest concurrency.", [
        "rate",
        "concurrency",
      ]),
    ),
  },
  flags: searchFlags,
  groups: [
    { ...searchGroup, names: searchGroup.names.filter((name) => name in searchFlags) },
    gridGroup,
    runGroup,
  ],
  run: (values, io, argv) => carryOut({ ...values, search: values.axis }, io, argv),
});

async function carryOut(values: Values, io: CommandIo, argv: readonly string[]): Promise<number> {
  const plan = await planOf(values, argv);
  const { sweep: run } = await import("../bench/sweep/sweep.ts");
  return run(plan, await benchIo(io, !values.disableTqdm), values.dryRun);
}

function positive(text: string): number {
  const value = text === "inf" ? Infinity : Number(text);
  if (/^(inf|[\d.]+)$/.test(text) && value > 0) return value;
  throw new UsageError(`'${text}' is not a number above 0`);
}

function positiveInteger(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is not a whole number above 0`);
}

interface Lengths {
  readonly input: number;
  readonly output: number;
}

function parseLengths(text: string): Lengths {
  const [input, output, ...rest] = text.split("/");
  if (input === undefined || output === undefined || rest.length > 0) {
    throw new UsageError(`'${text}' is not INPUT/OUTPUT, like 128/32`);
  }
  return { input: positiveInteger(input), output: positiveInteger(output) };
}

/** Of a run beside what all runs share; what is not given is as the command line has it. */
interface Setting {
  readonly rate?: number;
  readonly concurrency?: number;
  readonly lengths?: Lengths;
  readonly dataset?: string;
}

async function planOf(values: Values, argv: readonly string[]): Promise<SweepPlan> {
  check(values);
  const { parseGoal, withErrorGoal } = await import("../bench/sweep/goals.ts");
  const goals = values.slo.map((text) => named("--slo", () => parseGoal(text)));
  const shared = givenFlags(flags, argv).filter(({ name }) => name in benchFlags);
  const cells = settings(values).map((setting) => cellOf(values, shared, setting));
  const { outputFile, search } = values;
  return {
    servers: await serversOf(values, cells[0]!.at(1, 0).options),
    cells: search === null ? cells : cells.map((cell) => ({ ...cell, runs: [] })),
    outputFile: outputFile ?? "sweep.jsonl",
    search: search && { axis: search, goals: withErrorGoal(goals), bounds: boundsOf(values) },
  };
}

function check(values: Values): void {
  const { search, slo, rates, concurrencies, lengths, datasets, serve: servers } = values;
  if (search === null && slo.length > 0) {
    throw new UsageError("--slo is a goal of a search: add --search rate or --search concurrency");
  }
  const axes = [rates, concurrencies, lengths, datasets].filter((axis) => axis !== null);
  if (search === null && axes.length === 0 && servers.length === 0 && values.repeats === 1) {
    throw new UsageError(
      "nothing to vary: give --rates, --concurrencies, --lengths, --datasets, --serve or --repeats, or --search with --slo",
    );
  }
  if (search !== null && slo.length === 0) {
    throw new UsageError('a search needs a goal: --slo "ttft_p99<500"');
  }
  if ((search === "rate" && rates) || (search === "concurrency" && concurrencies)) {
    throw new UsageError(
      `the search for a ${search} chooses the values itself; leave the list of them out`,
    );
  }
  if (servers.length > 0 && values.baseUrl !== null) {
    throw new UsageError("--serve starts servers; --base-url names one that runs. Leave one out");
  }
  const { outputFile } = values;
  if (outputFile !== null && statSync(outputFile, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UserError(`--output-file: '${outputFile}' is a folder; expected a file`);
  }
}

function boundsOf({ search, searchStart, searchMin, searchMax, precision, repeats }: Values) {
  const integer = search === "concurrency";
  const bounds = {
    integer,
    start: Math.min(integer ? Math.max(1, Math.round(searchStart)) : searchStart, searchMax),
    least: searchMin ?? (integer ? 1 : searchStart / 16),
    greatest: integer ? Math.floor(searchMax) : searchMax,
    precision,
    repeats,
  };
  if (!(bounds.least > 0 && bounds.least <= bounds.start && bounds.start <= bounds.greatest)) {
    throw new UsageError(
      "--search-min, --search-start and --search-max must be above 0 and ascend",
    );
  }
  return bounds;
}

/** All combinations, the last axis fastest. */
function settings({ datasets, lengths, concurrencies, rates }: Values): Setting[] {
  const axis = <K extends keyof Setting>(name: K, list: readonly Setting[K][] | null): Setting[] =>
    (list ?? [undefined]).map((value) => (value === undefined ? {} : { [name]: value }));
  const axes = [
    axis("dataset", datasets),
    axis("lengths", lengths),
    axis("concurrency", concurrencies),
    axis("rate", rates),
  ];
  return axes.reduce(
    (all, values) => all.flatMap((one) => values.map((more) => ({ ...one, ...more }))),
    [{}] as Setting[],
  );
}

type Given = ReturnType<typeof givenFlags>;

function cellOf(values: Values, shared: Given, setting: Setting): Cell {
  return {
    name: settingText(setting),
    runs: Array.from({ length: values.repeats }, (_, i) => runOf(values, shared, setting, i)),
    at: (value, run) =>
      runOf(values, shared, { ...setting, [values.search ?? "rate"]: value }, run),
  };
}

function settingText({ dataset, lengths, concurrency, rate }: Setting): string {
  const parts = [
    dataset,
    lengths && `${lengths.input}/${lengths.output}`,
    concurrency && `concurrency ${concurrency}`,
    rate && `rate ${rate === Infinity ? "inf" : rate}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** Where the server is and the results go; secrets. None of these belongs to what a run is. */
const elsewhere = [
  "base-url",
  "host",
  "port",
  "output-file",
  "records",
  "disable-tqdm",
  "header",
  "api-key",
];

function runOf(values: Values, shared: Given, setting: Setting, number: number): SweepRun {
  const { rate, concurrency, lengths, dataset } = setting;
  const name = [settingText(setting), ...(values.repeats > 1 ? [`run ${number + 1}`] : [])]
    .filter((part) => part !== "")
    .join(", ");
  const factor = values.promptsFactor;
  const unit = rate !== undefined && rate !== Infinity ? rate : concurrency;
  const prompts =
    factor === null || unit === undefined ? null : Math.max(1, Math.round(factor * unit));
  const own: Record<string, string | undefined> = {
    "dataset-name": dataset,
    "random-input-len": lengths?.input.toString(),
    "random-output-len": lengths?.output.toString(),
    "max-concurrency": concurrency?.toString(),
    "request-rate": rate === undefined ? undefined : rate === Infinity ? "inf" : String(rate),
    "num-prompts": prompts?.toString(),
    seed: values.sameSeed ? undefined : String((values.seed + seedOf(name)) % 2 ** 32),
  };
  const kept = shared.filter((flag) => own[flag.name] === undefined);
  const ownWords = Object.entries(own).flatMap(([flag, value]) =>
    value === undefined ? [] : [`--${flag}`, value],
  );
  const told = kept.filter((flag) => !elsewhere.includes(flag.name)).flatMap((flag) => flag.words);
  return {
    name: name === "" ? "run" : name,
    command: commandLine("bench", [...told, ...ownWords]),
    options: benchOptions([...kept.flatMap((flag) => flag.words), ...ownWords]),
  };
}

/** The same for the same name, whatever else the grid holds (FNV-1a, 16 bits of it). */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash >>> 16) ^ (hash & 0xffff);
}

async function serversOf(values: Values, options: BenchOptions): Promise<ServerChoice[]> {
  if (values.serve.length === 0) return [{ kind: "running", baseUrl: baseUrlOf(options) }];
  return values.serve.map((text) => {
    const words = text.split(/\s+/).filter((word) => word !== "");
    named("--serve", () => parseFlags(serve.flags, words));
    return { kind: "own", flags: words };
  });
}

/** Says whose value was wrong. */
function named<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${flag}: ${error.message}`);
    throw error;
  }
}
