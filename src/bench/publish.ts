/** What a run leaves behind: tables on the screen, its result line and, where it was asked for, vLLM's file. */
import { version } from "../version.ts";
import { acrossRuns } from "./analysis/across-runs.ts";
import { loadShapeFields, loadShapeRows } from "./load-shape.ts";
import type { Measurements } from "./measurements.ts";
import type { BenchOptions } from "./options.ts";
import { acrossRunsTable, repetitionFields } from "./report/across-runs.ts";
import { analysisFields } from "./report/analysis-fields.ts";
import { analysisTable } from "./report/analysis-table.ts";
import * as jsonl from "./report/jsonl.ts";
import { loadTable, rateText, resultTable, shapeTable } from "./report/table.ts";
import { percentilesTable, saveVllmResult } from "./report/vllm-result.ts";
import type { BenchIo, BenchRun } from "./run.ts";
import { serverFields, serverRows } from "./server-figures/figures.ts";

export interface Publisher {
  readonly options: BenchOptions;
  readonly io: BenchIo;
  readonly model: string;
  readonly outputFile: string;
  /** Results that could not be written, so far. */
  unwritten: number;
}

/** @param before Earlier runs at the same rate. */
export async function publishRun(
  to: Publisher,
  run: BenchRun,
  measurements: Measurements,
  before: readonly BenchRun[],
): Promise<void> {
  const { options, io } = to;
  const { rate, metrics, load, facts, analysis, server } = run;
  if (metrics.completed === 0 && !facts.interrupted) {
    io.stderr(
      `All requests failed at request rate ${rateText(rate)}. ` +
        "This is likely due to a misconfiguration on the benchmark arguments.\n",
    );
  }
  io.stdout(resultTable(options.backend, rate, metrics) + loadTable(facts, load));
  io.stdout(shapeTable([...loadShapeRows(options), ...serverRows(server)]));
  io.stdout(analysisTable(analysis) + percentilesTable(measurements, options));
  const line = resultLineOf(to, run, before);
  if (io.keepLine) await io.keepLine(line, run, measurements);
  else writeLine(to, line);
  if (options.saveResult) saveVllm(to, run, measurements);
}

/** What the runs at one rate say together; nothing of a single one. */
export function publishRuns({ io }: Publisher, runs: readonly BenchRun[]): void {
  const valid = runs.filter(({ analysis }) => analysis.client.invalid.length === 0).length;
  if (runs.length > 1) io.stdout(acrossRunsTable(runs.length, valid, acrossRuns(runs)));
}

function resultLineOf(
  { options, model }: Publisher,
  run: BenchRun,
  before: readonly BenchRun[],
): string {
  const { rate, metrics, load, facts, analysis, server, records, startedAt } = run;
  const { compat } = options;
  const identity = { servebench: version, compat, model, started_at: startedAt };
  return jsonl.resultLine(
    jsonl.resultFields(options, rate, metrics),
    jsonl.furtherFields(identity, metrics, facts, load),
    loadShapeFields(options),
    serverFields(server),
    analysisFields(analysis),
    repetitionFields(options, [...before, run]),
    options.labels,
    options.outputDetails ? jsonl.detailFields(records) : {},
  );
}

/** The line is printed where it cannot be written: nothing that was measured is lost. */
function writeLine(to: Publisher, line: string): void {
  const { io, outputFile } = to;
  try {
    jsonl.appendLine(outputFile, line);
  } catch (error) {
    to.unwritten++;
    io.stderr(`--output-file: cannot write '${outputFile}': ${(error as Error).message}\n`);
    io.stdout(`The line that could not be written:\n${line}\n`);
  }
}

function saveVllm(
  to: Publisher,
  { rate, metrics, analysis }: BenchRun,
  measurements: Measurements,
): void {
  const { options, io, model } = to;
  const goodput = analysis.goodput?.perS ?? null;
  const run = { options, rate, model, durationS: metrics.durationS, measurements, goodput };
  try {
    io.stderr(`--save-result: wrote '${saveVllmResult(run, new Date())}'\n`);
  } catch (error) {
    to.unwritten++;
    io.stderr(`--save-result: ${(error as Error).message}\n`);
  }
}
