/** What of the output file a reproduction reads again, and what it labels its lines with. */
import { clientMachine } from "../report/client-machine.ts";
import { type Ledger as RunLedger, readLedger as readLines } from "../results/ledger.ts";
import { type Plan, type PlannedRun, serverText } from "./plan.ts";

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
  return {
    recipe: run.name,
    command: run.command,
    server: serverText(plan.server),
    client_machine: clientMachine(),
  };
}

export function readLedger(plan: Plan): Ledger {
  const found: RunLedger<PlannedRun> = readLines(
    plan.outputFile,
    serverText(plan.server),
    plan.runs,
  );
  return found as unknown as Ledger; // result lines that this program has written
}
