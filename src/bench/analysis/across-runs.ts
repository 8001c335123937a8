/** What the runs of --num-runs say together. */
import type { LoadFigures, Metrics } from "../metrics.ts";
import { repeated, type Repeated } from "../statistics/student.ts";
import type { Analysis } from "./analysis.ts";

/** What is taken of a run. */
export interface RunFigures {
  readonly metrics: Metrics;
  readonly load: LoadFigures;
  readonly analysis: Analysis;
}

/** Milliseconds where the name says so, else a second. By the keys of the result line. */
const headline: Readonly<Record<string, (run: RunFigures) => number | null | undefined>> = {
  request_throughput: ({ analysis }) => analysis.throughput.requests.perS,
  output_throughput: ({ analysis }) => analysis.throughput.outputTokens.perS,
  mean_ttft_ms: ({ analysis }) => ms(analysis.latencies.ttft?.distribution.mean),
  p99_ttft_ms: ({ analysis }) => ms(analysis.latencies.ttft?.distribution.percentiles[99]),
  mean_tpot_ms: ({ analysis }) => ms(analysis.latencies.tpot?.distribution.mean),
  mean_itl_ms: ({ analysis }) => ms(analysis.latencies.itl?.distribution.mean),
  p99_itl_ms: ({ analysis }) => ms(analysis.latencies.itl?.distribution.percentiles[99]),
  mean_e2e_ms: ({ analysis }) => ms(analysis.latencies.e2e?.distribution.mean),
  p99_e2e_ms: ({ analysis }) => ms(analysis.latencies.e2e?.distribution.percentiles[99]),
};

const ms = (seconds: number | null | undefined): number | null =>
  seconds == null ? null : seconds * 1000;

export type AcrossRuns = Readonly<Record<string, Repeated>>;

/** Figures that every run has. */
export function acrossRuns(runs: readonly RunFigures[]): AcrossRuns {
  const told = Object.entries(headline).flatMap(([name, of]) => {
    const values = runs.map(of).filter((value) => value != null && Number.isFinite(value));
    return values.length === runs.length ? [[name, repeated(values as number[])] as const] : [];
  });
  return Object.fromEntries(told);
}
