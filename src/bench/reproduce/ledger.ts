/** What of the output files a reproduction reads again, and what it labels its lines with. */
import { shellWord } from "../command-line.ts";
import { serverText } from "../loaded-server.ts";
import { clientMachine } from "../report/client-machine.ts";
import { readLedger as readLines } from "../results/ledger.ts";
import type { Fields } from "../results/lines.ts";
import { outputFiles, type Plan, type PlannedRun, runName, type Series } from "./plan.ts";

export interface Ledger {
  /** The line of each run of the plan that is done. */
  readonly done: ReadonlyMap<PlannedRun, Fields>;
  /** All lines of each output file as they are, also those of other plans. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
}

export function labelsOf(series: Series, run: PlannedRun): Readonly<Record<string, string>> {
  const { system, server } = series;
  return {
    recipe: runName(run),
    system,
    command: run.command,
    server: serverText(server),
    client_machine: clientMachine(),
  };
}

export function readLedger(plan: Plan): Ledger {
  const done = new Map<PlannedRun, Fields>();
  const lines = new Map<string, readonly string[]>();
  for (const file of outputFiles(plan)) {
    for (const { server, runs } of plan.series) {
      const here = runs.filter(({ outputFile }) => outputFile === file);
      const found = readLines(file, serverText(server), here);
      for (const [run, fields] of found.done) done.set(run, fields);
      lines.set(file, found.lines);
    }
  }
  return { done, lines };
}

/** What a user would type for this run alone; a server of ours or another's is at its usual port. */
export function runCommand({ server }: Series, run: PlannedRun): string {
  const where = server.kind === "running" ? ["--base-url", server.baseUrl] : [];
  return [run.command, ...[...where, "--output-file", run.outputFile].map(shellWord)].join(" ");
}
