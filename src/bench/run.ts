/** A whole benchmark: data set, warm-up, load at one rate or several, table and result line for each. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { version } from "../version.ts";
import { parseRateRange } from "./arrivals.ts";
import type { RequestRate } from "./arrivals.ts";
import { backendOf } from "./backends/index.ts";
import type { Backend } from "./backends/index.ts";
import { checkIds, checkOptions, checkWritable } from "./checks.ts";
import { conversationsPath } from "./datasets/conversations.ts";
import type { HubFile } from "./datasets/conversations.ts";
import { buildDataset } from "./datasets/index.ts";
import type { Dataset } from "./datasets/index.ts";
import { exitCode, type ExitCode } from "../exit-code.ts";
import { UserError, UsageError } from "../user-error.ts";
import { loadShapeFields, loadShapeRows, scheduleOf } from "./load-shape.ts";
import { plainLoad, runLoad } from "./load.ts";
import type { LoadPlan, LoadResult } from "./load.ts";
import { computeLoadFigures, computeMetrics } from "./metrics.ts";
import type { LoadFigures, Metrics } from "./metrics.ts";
import type { BenchOptions } from "./options.ts";
import { NumpyRandom } from "./random/numpy.ts";
import { PythonRandom } from "./random/python.ts";
import * as jsonl from "./report/jsonl.ts";
import { namespaceLine } from "./report/namespace.ts";
import { Progress } from "./report/progress.ts";
import { loadTable, rateText, resultTable, shapeTable } from "./report/table.ts";
import type { Range, RunFacts } from "./report/table.ts";
import { Prompts } from "./prompts.ts";
import type { RequestRecord } from "./request.ts";
import type { PreparedRequest, Schedule } from "./schedule.ts";
import { cacheNote } from "./server-figures/cache-note.ts";
import { serverFields, serverRows } from "./server-figures/figures.ts";
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
  /** Ends the run early; what was measured by then is kept and reported. */
  readonly signal: AbortSignal;
  /** Loads a tokenizer by path, hub id or preset. Throws an Error that says what is missing. */
  readonly loadTokenizer: (name: string) => Promise<Tokenizer>;
  /** The path of a file of the Hugging Face Hub, downloaded if need be. Throws an Error that says what to do. */
  readonly fetchDataset: (dataset: HubFile) => Promise<string>;
  /** Takes a run's result line; without it the line is appended to the output file. */
  readonly keepLine?: (line: string, run: BenchRun) => Promise<void>;
}

/** One rate's results. */
export interface BenchRun {
  readonly rate: RequestRate;
  readonly metrics: Metrics;
  readonly load: LoadFigures;
  readonly facts: RunFacts;
  readonly records: readonly RequestRecord[];
}

export interface BenchOutcome {
  /** Failure: no request of a run succeeded. */
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
  readonly model: string;
  readonly tokenizer: Tokenizer;
  readonly dataset: Dataset;
  readonly prepared: readonly PreparedRequest[];
  /** A request of the data set as new to the server. */
  readonly renewed: (index: number, round: number) => PreparedRequest;
  readonly numpy: NumpyRandom;
  readonly outputFile: string;
}

/** Runs a benchmark. @throws UserError for mistakes of the user and a server that cannot be used. */
export async function runBench(options: BenchOptions, io: BenchIo): Promise<BenchOutcome> {
  const rates = options.multi ? parseRateRange(options.requestRateRange) : [options.requestRate];
  const bench = await prepare(options, io).catch((error: unknown) => {
    if (!io.signal.aborted) throw error;
    return null; // interrupted while it waited for something
  });
  const runs: BenchRun[] = [];
  for (const rate of rates) {
    const run = bench && !io.signal.aborted ? await runRate(bench, rate) : null;
    if (!run) break;
    runs.push(run);
  }
  const outputFile = bench && runs.length > 0 ? bench.outputFile : null;
  if (io.signal.aborted) return { exitCode: exitCode.interrupted, runs, outputFile };
  const failed = runs.some((run) => run.metrics.completed === 0);
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
  const outputFile = options.outputFile ?? jsonl.defaultOutputFile(options, new Date());
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
  if (dataset.requests.length === 0) {
    throw new UserError(`The data set (${dataset.source}) gives no request; nothing to send.`);
  }
  checkIds(dataset, options);
  const prompts = new Prompts(dataset, tokenizer, options);
  const writeOut = requestWriter(target, backend, model, options);
  const prepared = dataset.requests.map((_, index) => writeOut(prompts.request(index, 0)));
  const renewed = (index: number, round: number) => writeOut(prompts.request(index, round));
  if (options.datasetName !== "sharegpt") io.stdout(tokenTotals(prepared));
  const made = { dataset, prepared, renewed, numpy, outputFile };
  return { options, io, backend, target, model, tokenizer, ...made };
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

function tokenTotals(prepared: readonly PreparedRequest[]): string {
  const input = prepared.reduce((sum, { request }) => sum + request.promptLen, 0);
  const output = prepared.reduce((sum, { request }) => sum + request.outputLen, 0);
  return `#Input tokens: ${input}\n#Output tokens: ${output}\n`;
}

/** null: interrupted before the measurement began. */
async function runRate(bench: Bench, rate: RequestRate): Promise<BenchRun | null> {
  const { options, io, dataset, prepared } = bench;
  const schedule = scheduleOf(options, rate, prepared, bench.numpy, bench.renewed);
  if (options.warmupRequests > 0) {
    io.stdout("Starting initial single prompt test run...\n");
    await warmUp(loadPlan(bench), prepared[0]!, options.warmupRequests);
    if (io.signal.aborted) return null;
    io.stdout("Initial test run completed. Starting main benchmark run...\n");
  }
  if (options.flushCache) await flushCache(options, io.signal);
  const watch = await ServerWatch.start(options);
  const startedAt = new Date().toISOString();
  const { records, durationS } = await measure(bench, schedule);
  const server = await watch.stop();
  const metrics = computeMetrics(records, durationS, bench.tokenizer);
  const load = computeLoadFigures(records);
  const facts = {
    dataset: dataset.source,
    planned: Number.isFinite(schedule.count) ? schedule.count : records.length,
    interrupted: io.signal.aborted,
    inputLens: rangeOf(prepared.map(({ request }) => request.promptLen)),
    outputLens: rangeOf(prepared.map(({ request }) => request.outputLen)),
  };
  if (metrics.completed === 0 && !facts.interrupted) {
    io.stderr(
      `All requests failed at request rate ${rateText(rate)}. ` +
        "This is likely due to a misconfiguration on the benchmark arguments.\n",
    );
  }
  io.stdout(resultTable(options.backend, rate, metrics) + loadTable(facts, load));
  io.stdout(shapeTable([...loadShapeRows(options), ...serverRows(server)]));
  const note = cacheNote(dataset, options, server);
  if (note !== null) io.stderr(`${note}\n`);
  const identity = {
    servebench: version,
    compat: options.compat,
    model: bench.model,
    started_at: startedAt,
  };
  const line = jsonl.resultLine(
    jsonl.resultFields(options, rate, metrics),
    jsonl.furtherFields(identity, metrics, facts, load),
    loadShapeFields(options),
    serverFields(server),
    options.labels,
    options.outputDetails ? jsonl.detailFields(records) : {},
  );
  const run = { rate, metrics, load, facts, records };
  if (io.keepLine) await io.keepLine(line, run);
  else write("--output-file", bench.outputFile, [line]);
  if (options.recordsFile !== null)
    write("--records", options.recordsFile, records.map(jsonl.recordLine));
  return run;
}

function rangeOf(values: readonly number[]): Range {
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
    maxInFlight: options.maxConcurrency ?? Infinity,
    signal: io.signal,
  };
}

async function measure(bench: Bench, schedule: Schedule): Promise<LoadResult> {
  const { io, options } = bench;
  const progress = new Progress(schedule.count, io, !options.disableTqdm);
  const result = await runLoad({
    ...loadPlan(bench),
    schedule,
    sendForS: options.duration ?? Infinity,
    graceS: options.duration === null ? Infinity : options.gracePeriod,
    onSent: (count) => (progress.sent = count),
    onEnd: ({ failure }) => {
      progress.ended++;
      if (failure) progress.failed++;
    },
  });
  progress.close();
  return result;
}

function write(flag: string, path: string, lines: readonly string[]): void {
  try {
    jsonl.appendLines(path, lines);
  } catch (error) {
    throw new UserError(`${flag}: cannot write '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
}
