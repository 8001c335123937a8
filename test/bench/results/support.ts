/** Runs that never happened, written by the code that writes real ones. */
import { writeFileSync } from "node:fs";
import seedrandom from "seedrandom";
import { computeLoadFigures, computeMetrics } from "../../../src/bench/metrics.ts";
import { type BenchOptions, defaultOptions } from "../../../src/bench/options.ts";
import * as jsonl from "../../../src/bench/report/jsonl.ts";
import type { RequestRecord } from "../../../src/bench/request.ts";
import { parseFields, type SavedRun } from "../../../src/bench/results/lines.ts";
import { matchRecords, type RecordedRun, toRecord } from "../../../src/bench/results/records.ts";
import { wordTokenizer } from "../support.ts";

export interface Imagined {
  readonly options?: Partial<BenchOptions>;
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

export interface ImaginedRun {
  readonly line: string;
  readonly recordLines: readonly string[];
  readonly records: readonly RequestRecord[];
}

/** Latencies are exponential around their means, arrivals are Poisson. */
export function imagine(about: Imagined = {}): ImaginedRun {
  const { requests = 200, perSecond = 20, failing = 0, model = "m" } = about;
  const random = seedrandom(about.seed ?? "1");
  const spread = (meanS: number): number => meanS * (0.5 - Math.log(1 - random()) / 2);
  let dueS = 0;
  const records = Array.from({ length: requests }, (_, index): RequestRecord => {
    const tokens = about.tokens ?? 8;
    const itlsS = Array.from({ length: tokens - 1 }, () => spread((about.itlMs ?? 10) / 1000));
    const ttftS = spread((about.ttftMs ?? 50) / 1000);
    const scheduledS = dueS;
    if (Number.isFinite(perSecond)) dueS -= Math.log(1 - random()) / perSecond;
    const failed = random() * 100 < failing;
    return {
      index,
      promptLen: 16,
      outputLen: tokens,
      scheduledS,
      sentS: scheduledS + 0.0002,
      firstByteS: ttftS,
      ttftS,
      latencyS: ttftS + itlsS.reduce((sum, gap) => sum + gap, 0) + 0.0001,
      itlsS,
      text: "a b",
      usage: null,
      status: failed ? 500 : 200,
      failure: failed ? { class: "http 500", message: "no" } : null,
    };
  });
  const options = { ...defaultOptions, datasetName: "random" as const, ...about.options };
  const durationS = Math.max(...records.map((record) => record.sentS + record.latencyS));
  const metrics = computeMetrics(records, durationS, wordTokenizer());
  const facts = {
    dataset: "synthetic",
    planned: requests,
    interrupted: false,
    inputLens: { min: 16, max: 16 },
    outputLens: { min: 8, max: 8 },
  };
  const identity = {
    servebench: "0",
    compat: options.compat,
    model,
    started_at: "2026-01-02T03:04:05Z",
  };
  const rate = { perSecond, integer: false };
  const line = jsonl.resultLine(
    jsonl.resultFields(options, rate, metrics),
    jsonl.furtherFields(identity, metrics, facts, computeLoadFigures(records)),
    options.labels,
    options.outputDetails ? jsonl.detailFields(records) : {},
  );
  return { line, records, recordLines: records.map(jsonl.recordLine) };
}

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
  const recorded = imagined.map(recordedRun);
  return { runs, records: matchRecords(runs, recorded).records };
}

export const recordedRun = ({ recordLines }: ImaginedRun): RecordedRun =>
  recordLines.map((line) => toRecord(parseFields(line))!);

export function writeLines(path: string, lines: readonly string[]): string {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}
