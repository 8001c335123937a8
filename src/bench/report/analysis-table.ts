/** The analysis of a run below the table: distributions, intervals, the steady part, and whether to believe it. */
import type { Analysis } from "../analysis/analysis.ts";
import type { ClientFinding } from "../analysis/client.ts";
import { latencyNames, type Latencies, type LatencyName } from "../analysis/latencies.ts";
import type { SteadyFinding } from "../analysis/steady.ts";
import { fixed2 } from "../python-values.ts";
import type { Interval } from "../statistics/bootstrap.ts";
import { reported, valuesNeeded, type Distribution } from "../statistics/percentiles.ts";
import { row, section, title, width } from "./text.ts";

export function analysisTable(analysis: Analysis): string {
  const lines = [
    title("What to make of it", "-"),
    ...outcomeLines(analysis),
    ...distributionLines(analysis.latencies),
    ...intervalLines(analysis),
    ...steadyLines(analysis.steady),
    ...clientLines(analysis.client),
    "=".repeat(width),
  ];
  return `${lines.join("\n")}\n`;
}

function outcomeLines({ outcomes, tokens, goodput }: Analysis): string[] {
  const { ok, shortOutput, failed, incomplete } = outcomes;
  return [
    row("Ok / short / failed / incomplete:", `${ok} / ${shortOutput} / ${failed} / ${incomplete}`),
    row(
      "Tokens asked / reported / retokenized:",
      `${tokens.requested} / ${tokens.reported ?? "-"} / ${tokens.retokenized}`,
    ),
    ...tokens.warnings.map((warning) => `Warning: ${warning}`),
    ...(goodput
      ? [
          row("Goodput (req/s):", fixed2(goodput.perS)),
          row(
            "Requests that met the objectives:",
            `${goodput.met} (${percentText(goodput.share)})`,
          ),
        ]
      : []),
  ];
}

const names: Record<LatencyName, string> = {
  ttft: "TTFT",
  ttftFromSchedule: "  from schedule",
  tpot: "TPOT",
  itl: "ITL an event",
  itlPerToken: "ITL a token",
  e2e: "E2E",
  e2eFromSchedule: "  from schedule",
};

const percentText = (share: number): string => `${(100 * share).toFixed(1)} %`;
const cells = (label: string, values: readonly string[]): string =>
  label.padEnd(16) + values.map((value) => value.padStart(10)).join("");

function distributionLines(latencies: Latencies): string[] {
  const known = latencyNames.flatMap((name) => {
    const latency = latencies[name];
    return latency ? [{ name, ...latency }] : [];
  });
  if (known.length === 0) return [];
  const refused = reported.filter((p) =>
    known.some(({ distribution }) => distribution.percentiles[p] === null),
  );
  const needs = refused.map((p) => `p${p} needs ${valuesNeeded(p)}`).join(", ");
  const coarse = known.find(({ error }) => error > 0);
  return [
    section("Latencies (ms)"),
    cells("", ["mean", ...reported.map((p) => `p${p}`), "max"]),
    ...known.map(({ name, distribution }) => cells(names[name], figures(distribution))),
    ...(refused.length > 0 ? [`-: too few requests (gaps, for ITL): ${needs}`] : []),
    ...(coarse ? [`ITL from a histogram: percentiles within ${100 * coarse.error} %`] : []),
  ];
}

function figures({ mean, percentiles, max }: Distribution): string[] {
  return [mean, ...reported.map((p) => percentiles[p]), max].map((value) =>
    value === null ? "-" : fixed2(value * 1000),
  );
}

function intervalLines({ throughput, latencies }: Analysis): string[] {
  const { requests, outputTokens } = throughput;
  const lines = [
    ...intervalRow("Requests/s", requests.perS, requests.interval, 1),
    ...intervalRow("Output tok/s", outputTokens.perS, outputTokens.interval, 1),
    ...(["ttft", "tpot", "itl", "e2e"] as const).flatMap((name) => {
      const { distribution, confidence } = latencies[name] ?? {};
      if (!distribution || !confidence) return [];
      const { percentiles } = distribution;
      const [label] = names[name].split(" ");
      return [
        ...intervalRow(`${label} mean (ms)`, distribution.mean, confidence.mean),
        ...intervalRow(`${label} p50 (ms)`, percentiles[50], confidence.p50),
        ...intervalRow(`${label} p99 (ms)`, percentiles[99], confidence.p99),
      ];
    }),
  ];
  const sizes = latencies.e2e?.confidence;
  if (lines.length === 0) return [];
  return [
    section("95 % confidence"),
    ...lines,
    ...(sizes
      ? [
          `Blocks of ${sizes.blockLength} requests; E2E as of ${sizes.effectiveSize} independent ones`,
        ]
      : []),
  ];
}

function intervalRow(
  label: string,
  value: number | null,
  interval: Interval | null,
  scale = 1000,
): string[] {
  if (value === null || !interval) return [];
  const [low, high] = interval.map((end) => fixed2(end * scale));
  return [row(`${label}:`, `${fixed2(value * scale)}  [${low}, ${high}]`)];
}

function steadyLines(steady: SteadyFinding): string[] {
  const head = section("Steady state");
  if (!steady.state) return [head, `None: ${steady.reason}.`];
  const { window, sent, requestsPerS, outputTokensPerS, littlesLaw, latencies } = steady.state;
  const { timeS, rate, ratio, holds } = littlesLaw;
  const product = `${fixed2(rate)} x ${fixed2(timeS)} = ${fixed2(rate * timeS)}`;
  return [
    head,
    row("From, to (s):", `${fixed2(window.fromS)}, ${fixed2(window.toS)}`),
    row("Requests sent in it:", sent),
    row("Request throughput (req/s):", fixed2(requestsPerS)),
    row("Output token throughput (tok/s):", fixed2(outputTokensPerS)),
    ...(["ttft", "tpot", "itl", "e2e"] as const).flatMap((name) => {
      const distribution = latencies[name]?.distribution;
      const [label] = names[name].split(" ");
      return distribution ? [row(`Mean ${label} (ms):`, fixed2(distribution.mean * 1000))] : [];
    }),
    row("Requests under way:", fixed2(window.concurrency)),
    row("Rate x time (Little's law):", product),
    ...(holds
      ? []
      : [
          `Warning: Little's law is off by ${percentText(Math.abs(ratio - 1))}: it was not steady.`,
        ]),
  ];
}

function clientLines(finding: ClientFinding): string[] {
  const { readWaitMs, stampLateMs, cpuShare, invalid } = finding;
  return [
    section("What the client can have added"),
    row("Read wait p50 / p99 / max (ms):", spreadText(readWaitMs)),
    row("Stamps late p50 / p99 / max (ms):", spreadText(stampLateMs)),
    ...(cpuShare === null ? [] : [row("CPU of the network threads:", percentText(cpuShare))]),
    ...(invalid.length === 0
      ? [row("Run:", "valid")]
      : invalid.map((reason) => `INVALID: ${reason}.`)),
  ];
}

const spreadText = (of: ClientFinding["readWaitMs"]): string =>
  of ? [of.p50, of.p99, of.max].map(fixed2).join(" / ") : "not measured";
