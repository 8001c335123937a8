/** The figures of a run by name, from its result line or its records: what is compared, gated, searched and plotted. */
import { UsageError } from "../../user-error.ts";
import { nearest } from "../../nearest.ts";
import { latencySamples } from "../analysis/latencies.ts";
import { brought, type Counted, total } from "../analysis/throughput.ts";
import type { Measurements } from "../measurements.ts";
import { mean, percentile, standardDeviation } from "../statistics.ts";
import type { Histogram } from "../statistics/histogram.ts";
import { allFailed, type Fields, failuresOf, numberOf, objectOf, type SavedRun } from "./lines.ts";

export const latencyMetrics = ["ttft", "tpot", "itl", "e2e"] as const;
export type LatencyMetric = (typeof latencyMetrics)[number];

/** "mean", "std", "max", or a percentile: 50, 99.9. */
export type LatencyStatistic = "mean" | "std" | "max" | number;

interface Common {
  /** As it is written in gates and goals: "ttft_p99", "output_throughput". */
  readonly name: string;
  readonly label: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
}
export type Figure = Common &
  (
    | {
        readonly kind: "latency";
        readonly metric: LatencyMetric;
        readonly statistic: LatencyStatistic;
      }
    | { readonly kind: "throughput"; readonly keys: readonly string[]; readonly count: Counted }
    | { readonly kind: "errors" }
  );

export const latencyNames: Readonly<Record<LatencyMetric, string>> = {
  ttft: "TTFT",
  tpot: "TPOT",
  itl: "ITL",
  e2e: "E2E latency",
};

const throughput = (count: Counted, label: string, unit: string, ...keys: string[]): Figure => ({
  kind: "throughput",
  name: keys[0]!,
  label,
  unit,
  better: "higher",
  keys,
  count,
});

export const throughputs: readonly Figure[] = [
  throughput("requests", "Request throughput", "req/s", "request_throughput"),
  throughput("inputTokens", "Input token throughput", "tok/s", "input_throughput"),
  throughput(
    "outputTokens",
    "Output token throughput",
    "tok/s",
    "output_throughput",
    "output_token_throughput",
  ),
];

export const errorRate: Figure = {
  kind: "errors",
  name: "error_rate",
  label: "Requests without a whole reply",
  unit: "%",
  better: "lower",
};

export function latencyFigure(metric: LatencyMetric, statistic: LatencyStatistic): Figure {
  const word = typeof statistic === "number" ? `p${statistic}` : statistic;
  const spoken = { mean: "Mean", std: "Deviation of", max: "Greatest", p50: "Median" }[word];
  return {
    kind: "latency",
    name: `${metric}_${word}`,
    label: `${spoken ?? word.toUpperCase()} ${latencyNames[metric]}`,
    unit: "ms",
    better: "lower",
    metric,
    statistic,
  };
}

/** What a comparison and a report show of every run that has it. */
export const headlines: readonly Figure[] = [
  ...throughputs,
  errorRate,
  ...(["ttft", "tpot", "itl", "e2e"] as const).flatMap((metric) =>
    (["mean", 50, 99] as const).map((statistic) => latencyFigure(metric, statistic)),
  ),
];

/** How names of figures are written, for help texts and messages. */
export const figureNames =
  "ttft, tpot, itl or e2e with _mean, _p50, _p99, _p99.9, _max or _std; request_throughput, input_throughput, " +
  "output_throughput; error_rate";

/** A figure by name: "ttft_p99", or as result lines spell it, "p99_ttft_ms". @throws UsageError */
export function parseFigure(written: string): Figure {
  const name = written.toLowerCase();
  const plain = [...throughputs, errorRate].find((figure) => figure.name === name);
  if (plain) return plain;
  const metric = "(ttft|tpot|itl|e2el?|e2e_latency)";
  const statistic = "(mean|avg|median|std|max|p\\d{1,2}(?:\\.\\d+)?)";
  const [, front, middle] = new RegExp(`^${metric}_${statistic}(?:_ms)?$`).exec(name) ?? [];
  const [, first, second] = new RegExp(`^${statistic}_${metric}(?:_ms)?$`).exec(name) ?? [];
  const metricWord = front ?? second;
  const statisticWord = middle ?? first;
  if (metricWord !== undefined && statisticWord !== undefined) {
    const short = metricWord.startsWith("e2e") ? "e2e" : (metricWord as LatencyMetric);
    return latencyFigure(short, parseStatistic(statisticWord));
  }
  const near = nearest(
    name,
    [...headlines, errorRate].map((figure) => figure.name),
  );
  throw new UsageError(`'${written}' is not a figure${near}; figures are ${figureNames}`);
}

function parseStatistic(word: string): LatencyStatistic {
  if (word === "mean" || word === "avg") return "mean";
  if (word === "median") return 50;
  return word === "std" || word === "max" ? word : Number(word.slice(1));
}

/**
 * A figure as a result line holds it; null if it does not. What our lines say of whole replies counts; bench_serving's
 * keys, which hold short replies too and percentiles of any sample, stand in where a line has nothing else.
 */
export function figureOfLine(figure: Figure, fields: Fields): number | null {
  if (figure.kind === "errors") {
    const failures = failuresOf(fields);
    return failures && failures.of > 0 ? (100 * failures.failed) / failures.of : null;
  }
  if (figure.kind === "latency" && allFailed(fields)) return null;
  const own = ownPlace(figure, fields);
  return own ? numberOf(own.object, own.name) : numberOf(fields, ...theirKeys(figure));
}

type LineFigure = Exclude<Figure, { kind: "errors" }>;

/** bench_serving's keys of any version. */
function theirKeys(figure: LineFigure): readonly string[] {
  if (figure.kind === "throughput") return figure.keys;
  const { metric, statistic, name } = figure;
  const words = statistic === 50 ? ["median", "p50"] : [name.split("_")[1]!];
  const stems = metric === "e2e" ? ["e2e_latency", "e2e", "e2el"] : [metric];
  const keys = words.flatMap((word) => stems.map((stem) => `${word}_${stem}`));
  return keys.flatMap((key) => [`${key}_ms`, key]);
}

interface OwnPlace {
  readonly object: Fields;
  readonly name: string;
  readonly interval: string;
}

const ownRates: Readonly<Record<Counted, string>> = {
  requests: "requests_per_s",
  inputTokens: "input_tokens_per_s",
  outputTokens: "output_tokens_per_s",
};

/** Where a line of ours holds a figure and its interval; null for other lines. */
function ownPlace(figure: LineFigure, fields: Fields): OwnPlace | null {
  if (figure.kind === "throughput") {
    const name = ownRates[figure.count];
    const object = objectOf(fields, "throughput");
    return name in object ? { object, name, interval: `${name}_ci` } : null;
  }
  if (!("latencies" in fields)) return null;
  const statistic = figure.name.split("_")[1]!;
  const object = objectOf(objectOf(fields, "latencies"), figure.metric);
  return { object, name: `${statistic}_ms`, interval: `${statistic}_ci_ms` };
}

/** Where a figure is with 95 % confidence, as the line itself says; null if it does not. */
export function intervalOfLine(figure: Figure, fields: Fields): [number, number] | null {
  const own = figure.kind === "errors" ? null : ownPlace(figure, fields);
  const interval = own?.object[own.interval];
  if (!Array.isArray(interval) || interval.length !== 2) return null;
  const [low, high] = interval as unknown[];
  return typeof low === "number" && typeof high === "number" ? [low, high] : null;
}

/** Seconds from the start to the end of the last exchange; NaN where records do not say when. */
export function durationOf(m: Measurements): number {
  const { sentS, endedS } = m.columns;
  return m.indices().reduce((last, i) => Math.max(last, sentS[i]! + endedS[i]!), 0);
}

/** A figure as measurements give it, by the rules of a run's own analysis; null if they cannot. */
export function figureOfMeasurements(figure: Figure, m: Measurements): number | null {
  const ok = m.indices("ok");
  if (figure.kind === "errors") {
    return m.ended === 0 ? null : (100 * (m.ended - ok.length)) / m.ended;
  }
  if (figure.kind === "throughput") {
    const durationS = durationOf(m);
    return durationS > 0 ? total(brought[figure.count](m, ok)) / durationS : null;
  }
  const { metric, statistic } = figure;
  if (metric === "itl" && m.histogram) return statisticOfHistogram(m.histogram, statistic) * 1000;
  const { values } = latencySamples[metric](m, ok);
  return values.length === 0 ? null : statisticOf(values, statistic) * 1000;
}

function statisticOf(values: Float64Array, statistic: LatencyStatistic): number {
  if (statistic === "mean") return mean(values);
  if (statistic === "std") return standardDeviation(values);
  if (statistic === "max") return values.reduce((a, b) => Math.max(a, b), -Infinity);
  return percentile(values, statistic);
}

function statisticOfHistogram(histogram: Histogram, statistic: LatencyStatistic): number {
  if (statistic === "mean") return histogram.mean;
  if (statistic === "std") return histogram.standardDeviation;
  return statistic === "max" ? histogram.max : histogram.percentile(statistic);
}

/** A figure of a run: as the line says, else from its records. */
export function figureOf(figure: Figure, run: SavedRun, records?: Measurements): number | null {
  const said = figureOfLine(figure, run.fields);
  return said ?? (records ? figureOfMeasurements(figure, records) : null);
}
