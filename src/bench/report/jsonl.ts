/**
 * The result line. Its first keys are bench_serving's in their order, for scripts that cut the line at colons:
 * no value before the twelfth may hold one. Our own keys come after.
 */
import type { RequestRate } from "../arrivals.ts";
import type { LatencyFigures, LoadFigures, Metrics } from "../metrics.ts";
import type { BenchOptions, Compat } from "../options.ts";
import { float, jsonDumps } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import { failureText } from "../request.ts";
import type { RequestRecord } from "../request.ts";
import { LineFile } from "./line-file.ts";
import type { RunFacts } from "./table.ts";

type Fields = Readonly<Record<string, PythonValue>>;

/** bench_serving's keys of that version, in order. */
export function resultFields(options: BenchOptions, rate: RequestRate, metrics: Metrics): Fields {
  const newNames = options.compat !== "0.2.7";
  const name = (old: string, current: string): string => (newNames ? current : old);
  return {
    backend: options.backend,
    dataset_name: options.datasetName,
    request_rate: rate.integer ? rate.perSecond : float(rate.perSecond),
    [name("total_input", "total_input_tokens")]: metrics.totalInput,
    [name("total_output", "total_output_tokens")]: metrics.totalOutput,
    [name("total_output_retokenized", "total_output_tokens_retokenized")]:
      metrics.totalOutputRetokenized,
    [name("mean_e2e_latency", "mean_e2e_latency_ms")]: float(metrics.meanE2eLatencyMs),
    [name("median_e2e_latency", "median_e2e_latency_ms")]: float(metrics.medianE2eLatencyMs),
    [name("median_ttft", "median_ttft_ms")]: float(metrics.ttft.medianMs),
    [name("median_itl", "median_itl_ms")]: float(metrics.itl.medianMs),
    [name("output_token_throughput", "output_throughput")]: float(metrics.outputThroughput),
    sharegpt_output_len: options.sharegptOutputLen,
    random_input_len: options.randomInputLen,
    random_output_len: options.randomOutputLen,
    random_range_ratio: float(options.randomRangeRatio),
    [name("benchmark_duration", "duration")]: float(metrics.durationS),
    ...(newNames ? { completed: metrics.completed } : {}),
  };
}

export interface RunIdentity {
  readonly servebench: string;
  readonly compat: Compat;
  readonly model: string;
  readonly started_at: string;
}

/** Our keys. Figures without a value are null, so that strict parsers read them. */
export function furtherFields(
  identity: RunIdentity,
  metrics: Metrics,
  facts: RunFacts,
  load: LoadFigures,
): Fields {
  return {
    ...identity,
    dataset_source: facts.dataset,
    interrupted: facts.interrupted,
    planned: facts.planned,
    min_input_len: facts.inputLens.min,
    max_input_len: facts.inputLens.max,
    min_output_len: facts.outputLens.min,
    max_output_len: facts.outputLens.max,
    sent: load.sent,
    failed: { ...load.failures },
    without_tokens: load.withoutTokens,
    server_output_tokens: load.serverOutputTokens,
    request_throughput: figure(metrics.requestThroughput),
    input_throughput: figure(metrics.inputThroughput),
    output_throughput_retokenized: figure(metrics.outputThroughputRetokenized),
    ...latencyFields("ttft", metrics.ttft),
    ...latencyFields("tpot", metrics.tpot),
    ...latencyFields("itl", metrics.itl),
    send_rate: figure(load.sendRate),
    lag_p50_ms: figure(load.lagP50Ms),
    lag_p99_ms: figure(load.lagP99Ms),
    lag_max_ms: figure(load.lagMaxMs),
  };
}

/** bench_serving's keys of --output-details: a list each, in order of sending. */
export function detailFields(records: readonly RequestRecord[]): Fields {
  return {
    input_lens: records.map((record) => record.promptLen),
    output_lens: records.map(({ failure, outputLen }) => (failure ? 0 : outputLen)),
    ttfts: records.map((record) => float(record.ttftS)),
    itls: records.map((record) => record.itlsS.map(float)),
    generated_texts: records.map((record) => record.text),
    errors: records.map(({ failure }) => (failure ? failureText(failure) : "")),
  };
}

const figure = (value: number): PythonValue => (Number.isFinite(value) ? float(value) : null);

function latencyFields(name: "ttft" | "tpot" | "itl", figures: LatencyFigures): Fields {
  return {
    [`mean_${name}_ms`]: figure(figures.meanMs),
    // The other two medians are among bench_serving's keys.
    ...(name === "tpot" ? { median_tpot_ms: figure(figures.medianMs) } : {}),
    [`std_${name}_ms`]: figure(figures.stdMs),
    [`p99_${name}_ms`]: figure(figures.p99Ms),
  };
}

/** @throws Error of the system; then nothing of the line is in the file. */
export function appendLine(path: string, line: string): void {
  const file = new LineFile(path);
  try {
    file.append([line]);
  } finally {
    file.close();
  }
}

export const resultLine = (...parts: readonly Fields[]): string =>
  jsonDumps(Object.assign({}, ...parts) as Fields);

/** bench_serving's file name: backend, month and day, number of prompts, data set. */
export function defaultOutputFile(options: BenchOptions, now: Date): string {
  const date = [now.getMonth() + 1, now.getDate()].map((n) => String(n).padStart(2, "0")).join("");
  const { backend, numPrompts, datasetName, randomInputLen, randomOutputLen } = options;
  const hasLengths = datasetName.startsWith("random");
  const data = hasLengths ? `${randomInputLen}_${randomOutputLen}` : datasetName;
  return `${backend}_${date}_${numPrompts}_${data}.jsonl`;
}
