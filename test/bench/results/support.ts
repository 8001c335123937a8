/** Runs that never happened, and the lines that they would have left. */
import { writeFileSync } from "node:fs";
import seedrandom from "seedrandom";
import { type Fields, parseFields, type SavedRun } from "../../../src/bench/results/lines.ts";
import type { Measurements } from "../../../src/bench/measurements.ts";
import {
  addSaved,
  emptyMeasurements,
  matchRecords,
  savedRecord,
} from "../../../src/bench/results/records.ts";
import { mean, median, percentile } from "../../../src/bench/statistics.ts";

export interface Imagined {
  readonly compat?: "0.2.13" | "0.2.7";
  /** Other values of the result line. */
  readonly fields?: Fields;
  /** Also the lists of --output-details. */
  readonly details?: boolean;
  readonly requests?: number;
  readonly perSecond?: number;
  readonly ttftMs?: number;
  readonly itlMs?: number;
  readonly tokens?: number;
  /** Requests of a hundred that fail. */
  readonly failing?: number;
  readonly seed?: string;
  readonly model?: string;
}

/** As a record tells it. */
export interface ImaginedRecord {
  readonly index: number;
  readonly promptLen: number;
  readonly outputLen: number;
  readonly scheduledS: number;
  readonly sentS: number;
  readonly ttftS: number;
  readonly latencyS: number;
  readonly itlsS: readonly number[];
  readonly failure: string | null;
}

export interface ImaginedRun {
  readonly line: string;
  readonly recordLines: readonly string[];
  readonly records: readonly ImaginedRecord[];
}

/** Latencies are exponential around their means, arrivals are Poisson. */
export function imagine(about: Imagined = {}): ImaginedRun {
  const { requests = 200, perSecond = 20, failing = 0, model = "m" } = about;
  const random = seedrandom(about.seed ?? "1");
  const spread = (meanS: number): number => meanS * (0.5 - Math.log(1 - random()) / 2);
  let dueS = 0;
  const records = Array.from({ length: requests }, (_, index) => {
    const tokens = about.tokens ?? 8;
    const gapsS = Array.from({ length: tokens - 1 }, () => spread((about.itlMs ?? 10) / 1000));
    const ttftS = spread((about.ttftMs ?? 50) / 1000);
    const scheduledS = dueS;
    if (Number.isFinite(perSecond)) dueS -= Math.log(1 - random()) / perSecond;
    const before = about.compat === "0.2.7" ? [ttftS] : [];
    const failed = random() * 100 < failing;
    return {
      index,
      promptLen: 16,
      outputLen: tokens,
      scheduledS,
      sentS: scheduledS + 0.0002,
      ttftS,
      latencyS: ttftS + gapsS.reduce((sum, gap) => sum + gap, 0) + 0.0001,
      itlsS: [...before, ...gapsS],
      failure: failed ? "http 500" : null,
    };
  });
  const startedAt = `2026-01-02T03:04:05.${about.seed ?? "1"}Z`;
  return {
    line: resultLine(records, { ...about, startedAt, perSecond, model }),
    records,
    recordLines: records.map((record) => JSON.stringify({ run: 1, startedAt, ...record })),
  };
}

/** The keys of docs/results.md, in their order. */
function resultLine(
  records: readonly ImaginedRecord[],
  about: Imagined & { readonly startedAt: string; readonly perSecond: number },
): string {
  const { compat = "0.2.13", fields } = about;
  const done = records.filter(({ failure }) => failure === null);
  const durationS = Math.max(...records.map((record) => record.sentS + record.latencyS));
  const ms = (secondsOf: (record: ImaginedRecord) => readonly number[]) =>
    done.flatMap((record) => secondsOf(record).map((seconds) => seconds * 1000));
  const e2e = ms(({ latencyS }) => [latencyS]);
  const latencies = {
    ttft: ms(({ ttftS }) => [ttftS]),
    tpot: ms(({ ttftS, latencyS, outputLen }) => [(latencyS - ttftS) / (outputLen - 1)]),
    itl: ms(({ itlsS }) => Array.from(itlsS)),
  };
  const now = compat !== "0.2.7";
  const output = done.reduce((sum, { outputLen }) => sum + outputLen, 0);
  const failed = records.length - done.length;
  const line = {
    backend: "sglang",
    dataset_name: "random",
    request_rate: about.perSecond,
    [now ? "mean_e2e_latency_ms" : "mean_e2e_latency"]: mean(e2e),
    [now ? "median_e2e_latency_ms" : "median_e2e_latency"]: median(e2e),
    [now ? "median_ttft_ms" : "median_ttft"]: done.length ? median(latencies.ttft) : 0,
    [now ? "median_itl_ms" : "median_itl"]: done.length ? median(latencies.itl) : 0,
    [now ? "output_throughput" : "output_token_throughput"]: output / durationS,
    random_input_len: 1024,
    random_output_len: 128,
    random_range_ratio: 0,
    ...(now ? { duration: durationS, completed: done.length } : { benchmark_duration: durationS }),
    servebench: "0.1.0",
    compat,
    model: about.model ?? "m",
    started_at: about.startedAt,
    dataset_source: "synthetic",
    interrupted: false,
    planned: records.length,
    sent: records.length,
    failed: failed > 0 ? { "http 500": failed } : {},
    request_throughput: done.length / durationS,
    input_throughput: (done.length * 16) / durationS,
    ...Object.fromEntries(
      Object.entries(latencies).flatMap(([name, values]) => [
        [`mean_${name}_ms`, done.length ? mean(values) : 0],
        ...(name === "tpot" ? [["median_tpot_ms", median(values)]] : []),
        [`p99_${name}_ms`, done.length ? percentile(values, 99) : 0],
      ]),
    ),
    ...fields,
    ...(about.details ? details(records) : {}),
  };
  return JSON.stringify(line, (_, value: unknown) =>
    value === Infinity ? "\u221e" : Number.isNaN(value) ? null : value,
  ).replaceAll('"\u221e"', "Infinity");
}

const details = (records: readonly ImaginedRecord[]) => ({
  input_lens: records.map(({ promptLen }) => promptLen),
  output_lens: records.map(({ failure, outputLen }) => (failure === null ? outputLen : 0)),
  ttfts: records.map(({ ttftS }) => ttftS),
  itls: records.map(({ itlsS }) => Array.from(itlsS)),
  errors: records.map(({ failure }) => failure ?? ""),
});

export function savedRun(
  { line }: Pick<ImaginedRun, "line">,
  file = "a.jsonl",
  number = 1,
): SavedRun {
  return { file, line: number, fields: parseFields(line)! };
}

/** Runs as a file of them and their records would be read. */
export function saved(imagined: readonly ImaginedRun[], file = "a.jsonl") {
  const runs = imagined.map((run, i) => savedRun(run, file, i + 1));
  const recorded = imagined.map((run) => ({ startedAt: null, measurements: recordedRun(run) }));
  return { runs, records: matchRecords(runs, recorded).records };
}

/** Records as they are read; those that are none are left out. */
export function measured(records: readonly Fields[]): Measurements {
  const m = emptyMeasurements();
  for (const record of records.flatMap((fields) => savedRecord(fields) ?? [])) addSaved(m, record);
  return m;
}

export const recordedRun = ({ recordLines }: Pick<ImaginedRun, "recordLines">): Measurements =>
  measured(recordLines.map((line) => parseFields(line)!));

export function writeLines(path: string, lines: readonly string[]): string {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}
