/**
 * The output file is the memory of a reproduction: a run whose line is there is done. Each line says which
 * command against which server gave it, so that another scale or model is another run.
 */
import { appendFileSync, existsSync, readFileSync, renameSync } from "node:fs";
import { type Plan, type PlannedRun, besideOutput, serverText } from "./plan.ts";

/** The fields of a result line that are read again. */
export interface RunLine {
  readonly dataset_source: string;
  readonly min_input_len: number;
  readonly max_input_len: number;
  readonly min_output_len: number;
  readonly max_output_len: number;
  readonly planned: number;
  readonly completed: number;
  readonly output_throughput: number;
  readonly median_e2e_latency_ms: number;
  /** Labels. */
  readonly command: string;
  readonly server: string;
}

export interface Ledger {
  /** The line of each run of the plan that is done. */
  readonly done: ReadonlyMap<PlannedRun, RunLine>;
  /** All lines of the file as they are, also those of other plans. */
  readonly lines: readonly string[];
}

export function labelsOf(plan: Plan, run: PlannedRun): Readonly<Record<string, string>> {
  return { recipe: run.name, command: run.command, server: serverText(plan.server) };
}

export function readLedger(plan: Plan): Ledger {
  const { outputFile, runs } = plan;
  const text = existsSync(outputFile) ? readFileSync(outputFile, "utf8") : "";
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const parsed = lines.flatMap((line) => parseLine(line) ?? []);
  const server = serverText(plan.server);
  const done = new Map<PlannedRun, RunLine>();
  for (const run of runs) {
    const line = parsed.findLast((l) => l.command === run.command && l.server === server);
    if (line) done.set(run, line);
  }
  return { done, lines };
}

/** null for what is not a result line of a reproduction, such as the torn last line of a full disk. */
function parseLine(line: string): RunLine | null {
  try {
    // Python writes these numbers, JSON has no words for them.
    const strict = line.replaceAll(/(?<=": )(-?Infinity|NaN)(?=[,}])/g, "null");
    const value = JSON.parse(strict) as Partial<RunLine> | null;
    return typeof value?.command === "string" ? (value as RunLine) : null;
  } catch {
    return null;
  }
}

/** Adds a line, also below one that was torn by a full disk or a crash. */
export function appendLine(path: string, line: string): void {
  const torn = existsSync(path) && !/(^|\n)$/.test(readFileSync(path, "utf8"));
  appendFileSync(path, `${torn ? "\n" : ""}${line}\n`);
}

/** Moves the lines out of the way; null if there are none, else where they are now. */
export function setAside({ outputFile }: Plan, now: Date): string | null {
  if (!existsSync(outputFile)) return null;
  const time = now.toISOString().slice(0, 19).replaceAll(":", "-");
  const aside = besideOutput(outputFile, `.${time}.jsonl`);
  renameSync(outputFile, aside);
  return aside;
}
