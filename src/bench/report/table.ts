/** The result table: bench_serving's, to the byte, then what it leaves out. */
import type { RequestRate } from "../arrivals.ts";
import type { BackendName } from "../options.ts";
import { fixed2, floatRepr } from "../python-values.ts";
import type { LatencyFigures, LoadFigures, Metrics } from "../metrics.ts";
import { row, section, title, width } from "./text.ts";

export const rateText = ({ perSecond, integer }: RequestRate): string =>
  integer ? String(perSecond) : floatRepr(perSecond);

/** bench_serving's table, with the empty line before it. */
export function resultTable(backend: BackendName, rate: RequestRate, metrics: Metrics): string {
  const { ttft, tpot, itl } = metrics;
  const lines = [
    "",
    title("Serving Benchmark Result", "="),
    row("Backend:", backend),
    row("Traffic request rate:", rateText(rate)),
    row("Successful requests:", metrics.completed),
    row("Benchmark duration (s):", fixed2(metrics.durationS)),
    row("Total input tokens:", metrics.totalInput),
    row("Total generated tokens:", metrics.totalOutput),
    row("Total generated tokens (retokenized):", metrics.totalOutputRetokenized),
    row("Request throughput (req/s):", fixed2(metrics.requestThroughput)),
    row("Input token throughput (tok/s):", fixed2(metrics.inputThroughput)),
    row("Output token throughput (tok/s):", fixed2(metrics.outputThroughput)),
    section("End-to-End Latency"),
    row("Mean E2E Latency (ms):", fixed2(metrics.meanE2eLatencyMs)),
    row("Median E2E Latency (ms):", fixed2(metrics.medianE2eLatencyMs)),
    section("Time to First Token"),
    ...latencyRows("TTFT", ttft),
    section("Time per Output Token (excl. 1st token)"),
    ...latencyRows("TPOT", tpot),
    section("Inter-token Latency"),
    ...latencyRows("ITL", itl),
    "=".repeat(width),
  ];
  return `${lines.join("\n")}\n`;
}

/** Both ends included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const rangeText = ({ min, max }: Range): string => `[${min}, ${max}]`;

/** Facts of a run that are not figures. */
export interface RunFacts {
  readonly dataset: string;
  readonly planned: number;
  readonly interrupted: boolean;
  /** Tokens of the data set's prompts, and tokens asked for: the lengths really drawn. */
  readonly inputLens: Range;
  readonly outputLens: Range;
}

/** Our own lines below the table. */
export function loadTable(facts: RunFacts, load: LoadFigures): string {
  const failed = Object.entries(load.failures).flatMap(([name, count]) => [
    row(`Failed, ${name}:`, count),
    `  ${load.failureExamples[name]!.replaceAll(/\s+/g, " ").slice(0, 160)}`,
  ]);
  const lines = [
    title("Load", "-"),
    row("Data set:", facts.dataset),
    row(
      "Input, output lengths drawn:",
      `${rangeText(facts.inputLens)}, ${rangeText(facts.outputLens)}`,
    ),
    row("Requests sent / planned:", `${load.sent} / ${facts.planned}`),
    ...failed,
    ...(load.withoutTokens > 0 ? [row("Successful without a token:", load.withoutTokens)] : []),
    ...(load.serverOutputTokens === null
      ? []
      : [row("Output tokens by the server's count:", load.serverOutputTokens)]),
    ...(Number.isNaN(load.sendRate)
      ? []
      : [row("Achieved send rate (req/s):", fixed2(load.sendRate))]),
    row("Median send lag (ms):", fixed2(load.lagP50Ms)),
    row("P99 send lag (ms):", fixed2(load.lagP99Ms)),
    row("Max send lag (ms):", fixed2(load.lagMaxMs)),
    ...(facts.interrupted ? ["Interrupted: the figures are those of a part of the run."] : []),
    "=".repeat(width),
  ];
  return `${lines.join("\n")}\n`;
}

/** How the load was shaped and what the server saw of it; nothing without rows. */
export function shapeTable(rows: readonly (readonly [label: string, value: string])[]): string {
  if (rows.length === 0) return "";
  const lines = [
    title("Load shape and server", "-"),
    ...rows.map(([label, value]) => row(label, value)),
  ];
  return `${[...lines, "=".repeat(width)].join("\n")}\n`;
}

const latencyRows = (name: string, figures: LatencyFigures): string[] => [
  row(`Mean ${name} (ms):`, fixed2(figures.meanMs)),
  row(`Median ${name} (ms):`, fixed2(figures.medianMs)),
  row(`P99 ${name} (ms):`, fixed2(figures.p99Ms)),
];
