/** A whole benchmark: data set, warm-up, load at one rate or several, table and result line for each. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { analyse, type Analysis } from "./analysis/analysis.ts";
import { parseRateRange } from "./arrivals.ts";
import type { RequestRate } from "./arrivals.ts";
import { backendOf } from "./backends/index.ts";
import type { Backend } from "./backends/index.ts";
import { checkOptions, checkWritable } from "./checks.ts";
import { conversationsPath } from "./datasets/conversations.ts";
import type { HubFile } from "./datasets/conversations.ts";
import { buildDataset } from "./datasets/index.ts";
import type { Dataset } from "./datasets/index.ts";
import { exitCode, type ExitCode } from "../exit-code.ts";
import { UserError, UsageError } from "../user-error.ts";
import { inSeries, type LiveView } from "./live/view.ts";
import { scheduleOf } from "./load-shape.ts";
import { plainLoad } from "./load.ts";
import type { LoadPlan } from "./load.ts";
import { computeLoadFigures, computeMetrics } from "./metrics.ts";
import { measure } from "./measure.ts";
import type { Measurements } from "./measurements.ts";
import type { LoadFigures, Metrics } from "./metrics.ts";
import type { BenchOptions } from "./options.ts";
import { NumpyRandom } from "./random/numpy.ts";
import { PythonRandom } from "./random/python.ts";
import { publishRun, publishRuns, type Publisher } from "./publish.ts";
import { defaultOutputFile } from "./report/jsonl.ts";
import { namespaceLine } from "./report/namespace.ts";
import { RecordsFile } from "./report/records.ts";
import { rateText, type Range, type RunFacts } from "./report/table.ts";
import { Prompts } from "./prompts.ts";
import type { BenchRequest, RequestRecord } from "./request.ts";
import type { PreparedRequest } from "./schedule.ts";
import { cacheNote } from "./server-figures/cache-note.ts";
import type { ServerFigures } from "./server-figures/figures.ts";
import { ServerWatch } from "./server-figures/watch.ts";
import { fetchModel, requestWriter, targetOf } from "./target.ts";
import type { Target } from "./target.ts";
import { resolveEndpoint } from "./transport/address.ts";
import { flushCache, warmUp } from "./warm-up.ts";

/** The world outside, so that a session or a test can stand in for the terminal. */
export interface BenchIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether standard error is a terminal, and how wide. */
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Shows runs while they go on; null: nobody watches. */
  readonly live: LiveView | null;
  /** A session keeps the results, and says where they are. */
  readonly inSession?: boolean;
  /** Ends the run early; what was measured by then is kept and reported. */
  readonly signal: AbortSignal;
  /** Loads a tokenizer by path, hub id or preset. Throws an Error that says what is missing. */
  readonly loadTokenizer: (name: string) => Promise<Tokenizer>;
  /** The path of a file of the Hugging Face Hub, downloaded if need be. Throws an Error that says what to do. */
  readonly fetchDataset: (dataset: HubFile) => Promise<string>;
  /** Keeps the records of all requests whole in the outcome, which is not meant for long runs. */
  readonly keepRecords?: boolean;
  /** Takes a run's result line; without it the line is appended to the output file. */
  readonly keepLine?: (line: string, run: BenchRun, measurements: Measurements) => Promise<void>;
}

/** One rate's results. */
export interface BenchRun {
  readonly rate: RequestRate;
  readonly startedAt: string;
  readonly metrics: Metrics;
  readonly load: LoadFigures;
  readonly analysis: Analysis;
  /** null: the server told nothing of itself. */
  readonly server: ServerFigures | null;
  readonly facts: RunFacts;
  /** Empty unless they were to be kept (`BenchIo.keepRecords`, --output-details). */
  readonly records: readonly RequestRecord[];
}

export interface BenchOutcome {
  /** Failure: no request of a run succeeded, or results could not be written. */
  readonly exitCode: ExitCode;
  readonly runs: readonly BenchRun[];
  /** Where the result lines lie; null when there are none. */
  readonly outputFile: string | null;
}

/** Everything that the runs of one benchmark share. */
interface Bench {
  readonly options: BenchOptions;
  readonly io: BenchIo;
  readonly backend: Backend;
  readonly target: Target;
  readonly tokenizer: Tokenizer;
  readonly dataset: Dataset;
  readonly prompts: Prompts;
  readonly write: (request: BenchRequest) => PreparedRequest;
  readonly numpy: NumpyRandom;
  readonly publisher: Publisher;
  readonly recordsFile: RecordsFile | null;
  /** So far. */
  runs: number;
}

/** Runs a benchmark. @throws UserError for mistakes of the user and a server that cannot be used. */
export async function runBench(options: BenchOptions, io: BenchIo): Promise<BenchOutcome> {
  const rates = options.multi ? parseRateRange(options.requestRateRange) : [options.requestRate];
  const bench = await prepare(options, io).catch((error: unknown) => {
    if (!io.signal.aborted) throw error;
    return null; // interrupted while it waited for something
  });
  const runs: BenchRun[] = [];
  try {
    for (const rate of rates) {
      if (bench && !io.signal.aborted) runs.push(...(await runRate(bench, rate)));
    }
  } finally {
    bench?.recordsFile?.close();
  }
  const outputFile = bench && runs.length > 0 ? bench.publisher.outputFile : null;
  if (io.signal.aborted) return { exitCode: exitCode.interrupted, runs, outputFile };
  const unwritten = (bench?.publisher.unwritten ?? 0) + (bench?.recordsFile?.lost ?? 0);
  const failed = unwritten > 0 || runs.some((run) => run.metrics.completed === 0);
  return { exitCode: failed ? exitCode.failure : exitCode.success, runs, outputFile };
}

/** The name of the first model that a server lists. @throws UserError */
export function servedModel(options: BenchOptions, signal: AbortSignal): Promise<string> {
  return fetchModel(targetOf(options, backendOf[options.backend]), options, signal);
}

async function prepare(options: BenchOptions, io: BenchIo): Promise<Bench> {
  const backend = backendOf[options.backend];
  const python = new PythonRandom(options.seed);
  const numpy = new NumpyRandom(options.seed);
  checkOptions(options, backend);
  const outputFile = options.outputFile ?? defaultOutputFile(options, new Date());
  checkWritable("--output-file", outputFile);
  if (options.recordsFile !== null) checkWritable("--records", options.recordsFile);
  const named = targetOf(options, backend);
  const model = options.model ?? (await fetchModel(named, options, io.signal));
  const target = { ...named, endpoint: await resolveEndpoint(named.endpoint, io.signal) };
  const tokenizer = await loadTokenizer(options.tokenizer ?? model, io);
  if (!tokenizer.hasChatTemplate) io.stdout(chatTemplateWarning);
  io.stdout(`${namespaceLine(options, model)}\n`);
  const note = (line: string): void => io.stderr(`${line}\n`);
  const datasetPath = await conversationsPath(options, io.fetchDataset);
  const found = { ...options, datasetPath };
  const dataset = buildDataset({ options: found, tokenizer, python, numpy, note });
  const prompts = new Prompts(dataset, tokenizer, options);
  if (prompts.count === 0) {
    throw new UserError(`The data set (${dataset.source}) gives no request; nothing to send.`);
  }
  const write = requestWriter(target, backend, model, options);
  if (options.datasetName !== "sharegpt") {
    io.stdout(
      `#Input tokens: ${sum(prompts.promptLens)}\n#Output tokens: ${sum(dataset.outputLens)}\n`,
    );
  }
  const recordsFile =
    options.recordsFile === null ? null : new RecordsFile(options.recordsFile, note);
  const publisher = { options, io, model, outputFile, unwritten: 0 };
  const made = { tokenizer, dataset, prompts, write, numpy };
  return { options, io, backend, target, ...made, publisher, recordsFile, runs: 0 };
}

const chatTemplateWarning =
  "\nWARNING It is recommended to use the `Chat` or `Instruct` model for benchmarking.\n" +
  "Because when the tokenizer counts the output tokens, if there is gibberish, it might count incorrectly.\n\n";

async function loadTokenizer(name: string, io: BenchIo): Promise<Tokenizer> {
  try {
    return await io.loadTokenizer(name);
  } catch (error) {
    const Kind = error instanceof UsageError ? UsageError : UserError;
    throw new Kind(
      `cannot load the tokenizer '${name}': ${(error as Error).message}\n` +
        "Name another with --tokenizer (a folder, org/name of the Hub or a preset).",
      { cause: error },
    );
  }
}

const sum = (lengths: Int32Array): number => lengths.reduce((total, length) => total + length, 0);

/** All runs at a rate, as far as they went. */
async function runRate(bench: Bench, rate: RequestRate): Promise<readonly BenchRun[]> {
  const runs: BenchRun[] = [];
  for (let i = 0; i < bench.options.numRuns && !bench.io.signal.aborted; i++) {
    const ran = await runOnce(bench, rate);
    if (!ran) break;
    const { run, measurements } = ran;
    await publishRun(bench.publisher, run, measurements, runs);
    const note = cacheNote(bench.dataset, bench.options, run.server);
    if (note !== null) bench.io.stderr(`${note}\n`);
    runs.push(run);
  }
  publishRuns(bench.publisher, runs);
  return runs;
}

/** The same in every run, as in bench_serving; but what is to be new to the server is new to it in each. */
const promptsOfRun = ({ options, dataset, tokenizer, prompts, runs }: Bench): Prompts =>
  options.salt === "random" && runs > 0 ? new Prompts(dataset, tokenizer, options) : prompts;

/** Later rounds of one run that are kept apart from those of the next. */
const roundsOfRun = 1_000_000;

/** A run, and what it measured of each request, which is not kept for longer than it is needed. */
interface Ran {
  readonly run: BenchRun;
  readonly measurements: Measurements;
}

/** null: interrupted before the measurement began. */
async function runOnce(bench: Bench, rate: RequestRate): Promise<Ran | null> {
  const { options, io, dataset, tokenizer, recordsFile, numpy } = bench;
  const prompts = promptsOfRun(bench);
  const firstRound = bench.runs * roundsOfRun;
  const schedule = scheduleOf(options, rate, numpy, prompts.count, (index, round) =>
    bench.write(prompts.request(index, round === 0 ? 0 : firstRound + round)),
  );
  if (options.warmupRequests > 0) {
    io.stdout("Starting initial single prompt test run...\n");
    await warmUp(loadPlan(bench), bench.write(prompts.request(0, 0)), options.warmupRequests);
    if (io.signal.aborted) return null;
    io.stdout("Initial test run completed. Starting main benchmark run...\n");
  }
  if (options.flushCache) await flushCache(options, io.signal);
  const watch = await ServerWatch.start(options);
  const startedAt = new Date().toISOString();
  const plan = {
    ...loadPlan(bench),
    schedule,
    sendForS: options.duration ?? Infinity,
    graceS: options.duration === null ? Infinity : options.gracePeriod,
  };
  const label = { run: ++bench.runs, startedAt };
  const keep = options.outputDetails || io.keepRecords === true;
  const tokens = sum(dataset.outputLens);
  const how = { options, view: viewOf(bench, rate), tokens, tokenizer, recordsFile, label, keep };
  const { measurements, records, ...result } = await measure(plan, how);
  const server = await watch.stop();
  const facts = {
    dataset: dataset.source,
    planned: Number.isFinite(schedule.count) ? schedule.count : measurements.ended,
    interrupted: io.signal.aborted,
    inputLens: rangeOf(prompts.promptLens),
    outputLens: rangeOf(dataset.outputLens),
  };
  const metrics = computeMetrics(measurements, result.durationS);
  const load = computeLoadFigures(measurements);
  const analysis = analyse(measurements, result, load, options);
  const run = { rate, startedAt, metrics, load, analysis, server, facts, records };
  return { run, measurements };
}

/** Of several runs each says which it is; what it is one of otherwise is for the caller to say. */
function viewOf({ options, io, runs }: Bench, rate: RequestRate): LiveView | null {
  const rates = options.multi ? parseRateRange(options.requestRateRange).length : 1;
  const of = rates * options.numRuns;
  const name = options.multi ? `rate ${rateText(rate)}` : "";
  return of === 1 ? io.live : inSeries(io.live, { at: runs, of, name, restS: null });
}

function rangeOf(values: Int32Array): Range {
  const range = { min: Infinity, max: -Infinity };
  for (const value of values) {
    range.min = Math.min(range.min, value);
    range.max = Math.max(range.max, value);
  }
  return range;
}

function loadPlan({ options, io, backend, target }: Bench): Omit<LoadPlan, "schedule"> {
  return {
    ...plainLoad,
    endpoint: target.endpoint,
    format: { newReader: () => backend.newReader(options), textPath: backend.textPath },
    keepAlive: options.connection === "keep-alive",
    threads: options.clientThreads ?? plainLoad.threads,
    maxInFlight: options.maxConcurrency ?? Infinity,
    signal: io.signal,
  };
}
