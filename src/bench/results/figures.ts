/** The figures of a run by name, from its result line or its records: what is compared, gated, searched and plotted. */
import { UsageError } from "../../user-error.ts";
import { nearest } from "../../nearest.ts";
import { mean, percentile, standardDeviation } from "../statistics.ts";
import { eventsOf, spanOf } from "./events.ts";
import { allFailed, type Fields, failuresOf, numberOf, type SavedRun } from "./lines.ts";
import { type RecordedRun, type SavedRecord, succeeded } from "./records.ts";

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

/** What a throughput counts. */
export type Counted = "requests" | "input" | "output";

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
  throughput("input", "Input token throughput", "tok/s", "input_throughput"),
  throughput(
    "output",
    "Output token throughput",
    "tok/s",
    "output_throughput",
    "output_token_throughput",
  ),
];

export const errorRate: Figure = {
  kind: "errors",
  name: "error_rate",
  label: "Failed requests",
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

/** A figure as a result line holds it; null if it does not. A run in which all failed has no latencies. */
export function figureOfLine(figure: Figure, fields: Fields): number | null {
  if (figure.kind === "throughput") return numberOf(fields, ...figure.keys);
  if (figure.kind === "errors") {
    const failures = failuresOf(fields);
    return failures && failures.of > 0 ? (100 * failures.failed) / failures.of : null;
  }
  if (allFailed(fields)) return null;
  const { metric, statistic } = figure;
  const words = statistic === 50 ? ["median", "p50"] : [figure.name.split("_")[1]!];
  const stems = metric === "e2e" ? ["e2e_latency", "e2e", "e2el"] : [metric];
  const keys = words.flatMap((word) => stems.map((stem) => `${word}_${stem}`));
  const flat = numberOf(fields, ...keys.flatMap((key) => [`${key}_ms`, key]));
  return flat ?? numberOf(ownFigures(fields, metric), `${figure.name.split("_")[1]!}_ms`);
}

/** Where a figure is with 95 % confidence, as the line itself says; null if it does not. */
export function intervalOfLine(figure: Figure, fields: Fields): [number, number] | null {
  const interval = toldInterval(figure, fields);
  if (!Array.isArray(interval) || interval.length !== 2) return null;
  const [low, high] = interval as unknown[];
  return typeof low === "number" && typeof high === "number" ? [low, high] : null;
}

function toldInterval(figure: Figure, fields: Fields): unknown {
  if (figure.kind === "latency") {
    return ownFigures(fields, figure.metric)[`${figure.name.split("_")[1]!}_ci_ms`];
  }
  const { throughput: told } = fields;
  if (figure.kind === "errors" || !isFields(told)) return null;
  return told[
    { requests: "requests_per_s_ci", output: "output_tokens_per_s_ci", input: "" }[figure.count]
  ];
}

/** What our lines say of a latency beside bench_serving's keys. */
function ownFigures(fields: Fields, metric: LatencyMetric): Fields {
  const { latencies } = fields;
  const found = isFields(latencies) ? latencies[metric] : null;
  return isFields(found) ? found : {};
}

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;

/** Milliseconds that a successful request gives to a latency: one, or for ITL as many as it has gaps. */
export function latenciesMs(metric: LatencyMetric, record: SavedRecord): readonly number[] {
  const { ttftS, latencyS, outputLen } = record;
  if (metric === "itl") return Array.from(record.itlsS, (gapS) => gapS * 1000);
  if (metric === "ttft") return [ttftS * 1000];
  if (metric === "e2e") return [latencyS * 1000];
  return outputLen > 1 ? [((latencyS - ttftS) / (outputLen - 1)) * 1000] : [];
}

/** A figure as records give it; null if they cannot. */
export function figureOfRecords(figure: Figure, run: RecordedRun): number | null {
  const done = succeeded(run);
  if (figure.kind === "errors") {
    return run.length === 0 ? null : (100 * (run.length - done.length)) / run.length;
  }
  if (figure.kind === "throughput") {
    const { startS, endS } = spanOf(run);
    let total = 0;
    eventsOf(run, figure.count, (_, amount) => (total += amount));
    return endS > startS ? total / (endS - startS) : null;
  }
  const valuesMs = done.flatMap((record) => latenciesMs(figure.metric, record));
  return valuesMs.length === 0 ? null : statisticOf(valuesMs, figure.statistic);
}

function statisticOf(values: readonly number[], statistic: LatencyStatistic): number {
  if (statistic === "mean") return mean(values);
  if (statistic === "std") return standardDeviation(values);
  if (statistic === "max") return values.reduce((a, b) => Math.max(a, b), -Infinity);
  return percentile(values, statistic);
}

/** A figure of a run: as the line says, else from its records. */
export function figureOf(figure: Figure, run: SavedRun, records?: RecordedRun): number | null {
  const said = figureOfLine(figure, run.fields);
  return said ?? (records ? figureOfRecords(figure, records) : null);
}
