/** A whole benchmark: data set, warm-up, load at one rate or several, table and result line for each. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { version } from "../version.ts";
import { arrivalTimes, parseRateRange } from "./arrivals.ts";
import type { RequestRate } from "./arrivals.ts";
import { backendOf } from "./backends/index.ts";
import type { Backend } from "./backends/index.ts";
import { conversationsPath } from "./datasets/conversations.ts";
import type { HubFile } from "./datasets/conversations.ts";
import { buildDataset } from "./datasets/index.ts";
import type { Dataset } from "./datasets/index.ts";
import { exitCode, type ExitCode } from "../exit-code.ts";
import { UserError, UsageError } from "../user-error.ts";
import { Intake } from "./intake.ts";
import { collectLoad, requestTimeoutMs, runLoad } from "./load.ts";
import type { LoadPlan, LoadResult, PreparedRequest } from "./load.ts";
import { computeLoadFigures, computeMetrics } from "./metrics.ts";
import { Measurements } from "./measurements.ts";
import type { LoadFigures, Metrics } from "./metrics.ts";
import { asksForExactOutput } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { NumpyRandom } from "./random/numpy.ts";
import { PythonRandom } from "./random/python.ts";
import * as jsonl from "./report/jsonl.ts";
import { namespaceLine } from "./report/namespace.ts";
import { Progress } from "./report/progress.ts";
import { RecordsFile } from "./report/records.ts";
import { loadTable, rateText, resultTable } from "./report/table.ts";
import type { Range, RunFacts } from "./report/table.ts";
import { failureText } from "./request.ts";
import type { RequestRecord } from "./request.ts";
import { fetchModel, prepareRequests, targetOf } from "./target.ts";
import type { Target } from "./target.ts";
import { resolveEndpoint } from "./transport/address.ts";

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
  /** Keeps the records of all requests whole in the outcome, which is not meant for long runs. */
  readonly keepRecords?: boolean;
  /** Takes a run's result line; without it the line is appended to the output file. */
  readonly keepLine?: (line: string, run: BenchRun) => Promise<void>;
}

/** One rate's results. */
export interface BenchRun {
  readonly rate: RequestRate;
  readonly metrics: Metrics;
  readonly load: LoadFigures;
  readonly facts: RunFacts;
  readonly measurements: Measurements;
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
  readonly model: string;
  readonly tokenizer: Tokenizer;
  readonly dataset: Dataset;
  readonly prepared: readonly PreparedRequest[];
  readonly numpy: NumpyRandom;
  readonly outputFile: string;
  readonly recordsFile: RecordsFile | null;
  /** So far: runs, and result lines that could not be written. */
  readonly counts: { runs: number; unwritten: number };
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
  bench?.recordsFile?.close();
  const outputFile = bench && runs.length > 0 ? bench.outputFile : null;
  if (io.signal.aborted) return { exitCode: exitCode.interrupted, runs, outputFile };
  const unwritten = (bench?.counts.unwritten ?? 0) + (bench?.recordsFile?.lost ?? 0);
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
  if (options.datasetName !== "sharegpt") io.stdout(tokenTotals(dataset));
  const prepared = prepareRequests(target, backend, dataset.requests, model, options);
  const recordsFile =
    options.recordsFile === null ? null : new RecordsFile(options.recordsFile, note);
  const counts = { runs: 0, unwritten: 0 };
  return {
    options,
    io,
    backend,
    target,
    model,
    tokenizer,
    dataset,
    prepared,
    numpy,
    outputFile,
    recordsFile,
    counts,
  };
}

const chatTemplateWarning =
  "\nWARNING It is recommended to use the `Chat` or `Instruct` model for benchmarking.\n" +
  "Because when the tokenizer counts the output tokens, if there is gibberish, it might count incorrectly.\n\n";

function checkOptions(options: BenchOptions, backend: Backend): void {
  if (options.numPrompts < 1)
    throw new UsageError(`--num-prompts: ${options.numPrompts} is not above 0.`);
  if (!(options.requestRate.perSecond > 0)) {
    throw new UsageError(
      `--request-rate: ${options.requestRate.perSecond} is not above 0; 'inf' sends all at once.`,
    );
  }
  if (!backend.authorized && options.model === null) {
    throw new UsageError(
      `Please provide a model using \`--model\` when using \`${options.backend}\` backend.`,
    );
  }
  if (!backend.takesIds && options.datasetName === "random-ids") {
    throw new UsageError(
      `--dataset-name: random-ids sends token ids, which the ${options.backend} backend does not take; use random.`,
    );
  }
}

/** Before the run, so that a mistyped folder does not cost an hour's figures. */
function checkWritable(flag: string, path: string): void {
  const exists = existsSync(path);
  try {
    accessSync(exists ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw new UserError(`${flag}: cannot write '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (exists && statSync(path).isDirectory()) {
    throw new UserError(`${flag}: '${path}' is a folder; expected a file.`);
  }
}

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

function tokenTotals({ requests }: Dataset): string {
  const input = requests.reduce((sum, request) => sum + request.promptLen, 0);
  const output = requests.reduce((sum, request) => sum + request.outputLen, 0);
  return `#Input tokens: ${input}\n#Output tokens: ${output}\n`;
}

/** null: interrupted before the measurement began. */
async function runRate(bench: Bench, rate: RequestRate): Promise<BenchRun | null> {
  const { options, io, dataset, prepared } = bench;
  const dueS = arrivalTimes(rate, prepared.length, bench.numpy);
  io.stdout("Starting initial single prompt test run...\n");
  await warmUp(bench);
  if (io.signal.aborted) return null;
  io.stdout("Initial test run completed. Starting main benchmark run...\n");
  const startedAt = new Date().toISOString();
  const { measurements, records, durationS } = await measure(bench, dueS, startedAt);
  const metrics = computeMetrics(measurements, durationS);
  const load = computeLoadFigures(measurements);
  const facts = {
    dataset: dataset.source,
    planned: prepared.length,
    interrupted: io.signal.aborted,
    inputLens: rangeOf(dataset.requests.map((request) => request.promptLen)),
    outputLens: rangeOf(dataset.requests.map((request) => request.outputLen)),
  };
  if (metrics.completed === 0 && !facts.interrupted) {
    io.stderr(
      `All requests failed at request rate ${rateText(rate)}. ` +
        "This is likely due to a misconfiguration on the benchmark arguments.\n",
    );
  }
  io.stdout(resultTable(options.backend, rate, metrics) + loadTable(facts, load));
  const identity = {
    servebench: version,
    compat: options.compat,
    model: bench.model,
    started_at: startedAt,
  };
  const line = jsonl.resultLine(
    jsonl.resultFields(options, rate, metrics),
    jsonl.furtherFields(identity, metrics, facts, load),
    options.labels,
    options.outputDetails ? jsonl.detailFields(records) : {},
  );
  const run = { rate, metrics, load, facts, measurements, records };
  if (io.keepLine) await io.keepLine(line, run);
  else writeResult(bench, line);
  return run;
}

function rangeOf(values: readonly number[]): Range {
  return { min: Math.min(...values), max: Math.max(...values) };
}

function loadPlan({ options, io, backend, target }: Bench): Omit<LoadPlan, "requests" | "dueS"> {
  return {
    endpoint: target.endpoint,
    format: { newReader: () => backend.newReader(options), textPath: backend.textPath },
    timeoutMs: requestTimeoutMs,
    signal: io.signal,
    onSent: () => {},
    onEnd: () => {},
  };
}

/** Request 0, whole and alone, as in bench_serving. Throws a UserError when it fails. */
async function warmUp(bench: Bench): Promise<void> {
  const requests = bench.prepared.slice(0, 1);
  const { records } = await collectLoad({
    ...loadPlan(bench),
    requests,
    dueS: new Float64Array(1),
  });
  const failure = records[0]?.failure;
  if (!failure || failure.class === "interrupted") return;
  throw new UserError(
    "Initial test run failed - Please make sure benchmark arguments are correctly specified. " +
      `Error: ${failureText(failure)}`,
  );
}

interface Measured extends LoadResult {
  readonly measurements: Measurements;
  readonly records: readonly RequestRecord[];
}

async function measure(bench: Bench, dueS: Float64Array, startedAt: string): Promise<Measured> {
  const { options, io, prepared, recordsFile, tokenizer } = bench;
  const measurements = new Measurements(prepared.length, {
    gapBeforeFirst: options.compat === "0.2.7",
    exactOutput: asksForExactOutput(options),
  });
  const label = { run: ++bench.counts.runs, startedAt };
  const intake = new Intake({
    measurements,
    countTokens: (text) => tokenizer.encode(text, { addSpecialTokens: false }).length,
    records: recordsFile && { file: recordsFile, label },
    keep: options.outputDetails || io.keepRecords === true,
  });
  const progress = new Progress(prepared.length, io, !options.disableTqdm);
  const result = await runLoad({
    ...loadPlan(bench),
    requests: prepared,
    dueS,
    onSent: (count) => (progress.sent = count),
    onEnd: (record) => {
      intake.take(record);
      progress.ended++;
      if (record.failure) progress.failed++;
    },
  });
  progress.close();
  return { ...result, measurements, records: intake.finish() };
}

/** The line is printed where it cannot be written: nothing that was measured is lost. */
function writeResult({ io, outputFile, counts }: Bench, line: string): void {
  try {
    jsonl.appendLine(outputFile, line);
  } catch (error) {
    counts.unwritten++;
    io.stderr(`--output-file: cannot write '${outputFile}': ${(error as Error).message}\n`);
    io.stdout(`The line that could not be written:\n${line}\n`);
  }
}
