/** The analysis of a run as keys of the result line, after bench_serving's. null stands for what is not known. */
import type { Analysis } from "../analysis/analysis.ts";
import { latencyNames, type Latencies, type Latency } from "../analysis/latencies.ts";
import type { SteadyFinding } from "../analysis/steady.ts";
import { float } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { Confidence, Interval } from "../statistics/bootstrap.ts";
import { reported } from "../statistics/percentiles.ts";

type Fields = Readonly<Record<string, PythonValue>>;

export function analysisFields(analysis: Analysis): Fields {
  const { outcomes, throughput, tokens, goodput, client, steady } = analysis;
  return {
    valid: client.invalid.length === 0,
    invalid_reasons: client.invalid,
    client: {
      read_wait_p50_ms: figure(client.readWaitMs?.p50),
      read_wait_p99_ms: figure(client.readWaitMs?.p99),
      read_wait_max_ms: figure(client.readWaitMs?.max),
      stamp_late_p50_ms: figure(client.stampLateMs?.p50),
      stamp_late_p99_ms: figure(client.stampLateMs?.p99),
      stamp_late_max_ms: figure(client.stampLateMs?.max),
      cpu_share: figure(client.cpuShare),
    },
    outcomes: {
      ok: outcomes.ok,
      short_output: outcomes.shortOutput,
      failed: outcomes.failed,
      incomplete: outcomes.incomplete,
    },
    output_tokens: {
      requested: tokens.requested,
      reported: tokens.reported,
      retokenized: tokens.retokenized,
      per_event: figure(tokens.perEvent),
      warnings: tokens.warnings,
    },
    throughput: {
      requests_per_s: figure(throughput.requests.perS),
      requests_per_s_ci: pair(throughput.requests.interval),
      input_tokens_per_s: figure(throughput.inputTokens.perS),
      input_tokens_per_s_ci: pair(throughput.inputTokens.interval),
      output_tokens_per_s: figure(throughput.outputTokens.perS),
      output_tokens_per_s_ci: pair(throughput.outputTokens.interval),
    },
    latencies: latenciesFields(analysis.latencies),
    steady_state: steadyFields(steady),
    goodput: goodput && {
      objectives_ms: goodput.objectives,
      met: goodput.met,
      requests_per_s: figure(goodput.perS),
      share_of_sent: figure(goodput.share),
    },
  };
}

const jsonNames = {
  ttft: "ttft",
  ttftFromSchedule: "ttft_from_schedule",
  tpot: "tpot",
  itl: "itl",
  itlPerToken: "itl_per_token",
  e2e: "e2e",
  e2eFromSchedule: "e2e_from_schedule",
} as const;

function latenciesFields(latencies: Latencies): Fields {
  const told = latencyNames.flatMap((name) => {
    const latency = latencies[name];
    return latency ? [[jsonNames[name], latencyFields(latency)] as const] : [];
  });
  return Object.fromEntries(told);
}

function latencyFields({ distribution, confidence, error }: Latency): Fields {
  const percentiles = reported.map((p) => [`p${p}_ms`, ms(distribution.percentiles[p])] as const);
  return {
    values: distribution.values,
    mean_ms: ms(distribution.mean),
    std_ms: ms(distribution.deviation),
    ...Object.fromEntries(percentiles),
    max_ms: ms(distribution.max),
    ...(error > 0 ? { relative_error: float(error) } : {}),
    ...(confidence ? confidenceFields(confidence) : {}),
  };
}

function confidenceFields(confidence: Confidence): Fields {
  return {
    mean_ci_ms: pair(confidence.mean, 1000),
    p50_ci_ms: pair(confidence.p50, 1000),
    p99_ci_ms: pair(confidence.p99, 1000),
    block_requests: confidence.blockLength,
    effective_requests: confidence.effectiveSize,
  };
}

function steadyFields(steady: SteadyFinding): Fields {
  if (!steady.state) return { found: false, reason: steady.reason };
  const { window, sent, littlesLaw, requestsPerS, outputTokensPerS, latencies } = steady.state;
  return {
    found: true,
    from_s: float(window.fromS),
    to_s: float(window.toS),
    sent,
    requests_per_s: figure(requestsPerS),
    output_tokens_per_s: figure(outputTokensPerS),
    concurrency: figure(window.concurrency),
    littles_law: {
      rate_per_s: figure(littlesLaw.rate),
      time_s: figure(littlesLaw.timeS),
      ratio: figure(littlesLaw.ratio),
      holds: littlesLaw.holds,
    },
    latencies: latenciesFields(latencies),
  };
}

function figure(value: number | null | undefined): PythonValue {
  return value != null && Number.isFinite(value) ? float(value) : null;
}

const ms = (seconds: number | null): PythonValue =>
  figure(seconds === null ? null : seconds * 1000);

const pair = (interval: Interval | null, scale = 1): PythonValue =>
  interval && interval.map((end) => figure(end * scale));
