/**
 * The file of --save-result: the keys of `vllm bench serve --save-result`, as vLLM computes them (its benchmarks/serve.py
 * as of August 2026). Output tokens are the server's count, or else the text tokenized again; a reply that was too
 * short counts as completed here, as it does there.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { RequestRate } from "../arrivals.ts";
import type { Measurements } from "../measurements.ts";
import { timePerOutputToken } from "../metrics.ts";
import type { BenchOptions, PercentileMetric } from "../options.ts";
import { fixed2, float, floatRepr, jsonDumps } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import { mean, percentileOfSorted, standardDeviation } from "../statistics.ts";
import type { Histogram } from "../statistics/histogram.ts";
import { carries, valuesNeeded } from "../statistics/percentiles.ts";
import { Samples } from "../statistics/samples.ts";
import { row, title, width } from "./text.ts";
import { valuesOf } from "../statistics/values.ts";

type Fields = Record<string, PythonValue>;

export interface VllmRun {
  readonly options: BenchOptions;
  readonly rate: RequestRate;
  readonly model: string;
  readonly durationS: number;
  readonly measurements: Measurements;
  /** Requests a second that met the objectives; null without any. */
  readonly goodput: number | null;
}

/** vLLM's defaults where the flags are not given. */
const usualMetrics: readonly PercentileMetric[] = ["ttft", "tpot", "itl"];
const usualPercentiles: readonly number[] = [99];

/** The server's count, or else the text tokenized again. */
function tokensOf({ columns }: Measurements, i: number): number {
  const { reported, retokenized } = columns;
  return reported[i]! > 0 ? reported[i]! : retokenized[i]!;
}

/** Of latencies in seconds. 0 without values, as in vLLM. */
interface Summary {
  readonly mean: number;
  readonly median: number;
  readonly deviation: number;
  percentile(percent: number): number;
}

function summaryOf(values: Float64Array): Summary {
  const x = values.length > 0 ? values : new Float64Array(1);
  const sorted = x.toSorted();
  return {
    mean: mean(x),
    median: percentileOfSorted(sorted, 50),
    deviation: standardDeviation(x),
    percentile: (percent) => percentileOfSorted(sorted, percent),
  };
}

function histogramSummary(histogram: Histogram): Summary {
  return {
    mean: histogram.mean,
    median: histogram.percentile(50),
    deviation: histogram.standardDeviation,
    percentile: (percent) => histogram.percentile(percent),
  };
}

/** All requests with a whole reply. */
export function summaries(m: Measurements): Record<PercentileMetric, Summary> {
  const done = m.indices("ok", "short output");
  const several = done.filter((i) => tokensOf(m, i) > 1);
  const gaps = new Samples();
  for (const i of done) gaps.append(m.ownGapsOf(i));
  return {
    ttft: summaryOf(valuesOf(done, (i) => m.columns.ttftS[i]!)),
    tpot: summaryOf(valuesOf(several, (i) => timePerOutputToken(m, i, tokensOf(m, i)))),
    itl: m.histogram ? histogramSummary(m.histogram) : summaryOf(gaps.values()),
    e2el: summaryOf(valuesOf(done, (i) => m.columns.latencyS[i]!)),
  };
}

export function vllmResult(run: VllmRun, date: string): Fields {
  const { options, rate, model, durationS, measurements: m, goodput } = run;
  const done = m.indices("ok", "short output");
  const input = done.reduce((sum, i) => sum + m.columns.promptLen[i]!, 0);
  const output = done.reduce((sum, i) => sum + tokensOf(m, i), 0);
  return {
    date,
    endpoint_type: options.backend,
    backend: options.backend,
    label: options.backend,
    model_id: model,
    tokenizer_id: options.tokenizer ?? model,
    num_prompts: options.numPrompts,
    request_rate: rate.perSecond === Infinity ? "inf" : float(rate.perSecond),
    burstiness: float(options.burstiness),
    max_concurrency: options.maxConcurrency,
    ...rampFields(options),
    duration: float(durationS),
    completed: done.length,
    failed: m.ended - done.length,
    total_input_tokens: input,
    total_output_tokens: output,
    request_throughput: float(done.length / durationS),
    request_goodput: goodput === null ? null : float(goodput),
    output_throughput: float(output / durationS),
    total_token_throughput: float((input + output) / durationS),
    max_output_tokens_per_s: float(peakTokens(m, done)),
    max_concurrent_requests: peakRequests(m, done),
    ...latencyFields(m, options),
  };
}

function rampFields({ rampUpStrategy, rampUpStartRps, rampUpEndRps }: BenchOptions): Fields {
  if (rampUpStrategy === null) return {};
  return {
    ramp_up_strategy: rampUpStrategy,
    ramp_up_start_rps: rampUpStartRps,
    ramp_up_end_rps: rampUpEndRps,
  };
}

const ms = (seconds: number): PythonValue => float(seconds * 1000);

function latencyFields(m: Measurements, options: BenchOptions): Fields {
  const known = summaries(m);
  const fields: Fields = {};
  for (const name of options.percentileMetrics ?? usualMetrics) {
    const summary = known[name];
    fields[`mean_${name}_ms`] = ms(summary.mean);
    fields[`median_${name}_ms`] = ms(summary.median);
    fields[`std_${name}_ms`] = ms(summary.deviation);
    for (const p of options.metricPercentiles ?? usualPercentiles)
      fields[`p${p}_${name}_ms`] = ms(summary.percentile(p));
  }
  return fields;
}

/** Rows for the percentiles that were asked for; "" where none were. Those the sample cannot carry say what they need. */
export function percentilesTable(m: Measurements, options: BenchOptions): string {
  if (options.percentileMetrics === null && options.metricPercentiles === null) return "";
  const known = summaries(m);
  const done = m.indices("ok", "short output");
  const gaps = m.histogram?.count ?? done.reduce((sum, i) => sum + m.ownGapsOf(i).length, 0);
  const rows = (options.percentileMetrics ?? usualMetrics).flatMap((name) =>
    (options.metricPercentiles ?? usualPercentiles).map((p) => {
      const told = carries(name === "itl" ? gaps : done.length, p);
      const value = fixed2(known[name].percentile(p) * 1000);
      return row(`P${p} ${name.toUpperCase()} (ms):`, told ? value : `needs ${valuesNeeded(p)}`);
    }),
  );
  return `${[title("Percentiles", "-"), ...rows, "=".repeat(width)].join("\n")}\n`;
}

/** Token events in the fullest second, counted from the first send. */
function peakTokens(m: Measurements, done: Int32Array): number {
  const { sentS, ttftS, latencyS } = m.columns;
  const startS = done.reduce((least, i) => Math.min(least, sentS[i]!), Infinity);
  const endS = done.reduce((most, i) => Math.max(most, sentS[i]! + latencyS[i]!), 0);
  const perSecond = new Float64Array(Math.ceil(Math.max(0, endS - startS)) + 1);
  for (const i of done) {
    let atS = sentS[i]! + ttftS[i]! - startS;
    perSecond[Math.floor(atS)]!++;
    for (const gap of m.ownGapsOf(i)) perSecond[Math.floor((atS += gap))]!++;
  }
  return done.length === 0 ? 0 : perSecond.reduce((a, b) => Math.max(a, b));
}

/** Requests under way at once; one that ends when another begins is over by then. */
function peakRequests(m: Measurements, done: Int32Array): number {
  const begin = valuesOf(done, (i) => m.columns.sentS[i]!).sort();
  const end = valuesOf(done, (i) => m.columns.sentS[i]! + m.columns.latencyS[i]!).sort();
  let [peak, over] = [0, 0];
  begin.forEach((s, begun) => {
    while (end[over]! <= s) over++;
    peak = Math.max(peak, begun + 1 - over);
  });
  return peak;
}

/** vLLM's name for the file unless there is one. */
export function vllmPath(run: VllmRun, date: string): string {
  const { options, rate, model } = run;
  const { rampUpStrategy, rampUpStartRps, rampUpEndRps, maxConcurrency } = options;
  const rates =
    rampUpStrategy === null
      ? `${floatRepr(rate.perSecond)}qps`
      : `ramp-up-${rampUpStrategy}-${rampUpStartRps}qps-${rampUpEndRps}qps`;
  const limit = maxConcurrency === null ? "" : `-concurrency${maxConcurrency}`;
  const usual = `${options.backend}-${rates}${limit}-${basename(model)}-${date}.json`;
  const name = options.resultFilename ?? usual;
  return options.resultDir === null ? name : join(options.resultDir, name);
}

/** Writes the file, and the folder where there is none. Returns its path. @throws Error of the system */
export function saveVllmResult(run: VllmRun, now: Date): string {
  const date = vllmDate(now);
  const path = vllmPath(run, date);
  if (run.options.resultDir !== null) mkdirSync(run.options.resultDir, { recursive: true });
  writeFileSync(path, jsonDumps(vllmResult(run, date)));
  return path;
}

const two = (n: number): string => String(n).padStart(2, "0");

/** `%Y%m%d-%H%M%S` */
function vllmDate(now: Date): string {
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("");
  return `${day}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("")}`;
}
