/** Carries out a plan: starts the server, runs what is not done yet, and ends in a table. */
import { exitCode, type ExitCode } from "../../exit-code.ts";
import { type LoadedServer, openServer, runAndKeep } from "../loaded-server.ts";
import { besideOutput } from "../results/ledger.ts";
import { inSeries } from "../live/view.ts";
import type { BenchIo } from "../run.ts";
import { estimateS, measureSpeed, workloadOf } from "./estimate.ts";
import { labelsOf, readLedger } from "./ledger.ts";
import { type Plan, type PlannedRun } from "./plan.ts";
import { memoryText, planText, summaryText, timeText } from "./text.ts";

/** Says what will be done and, unless it is a dry run, does it. @throws UserError */
export async function reproduce(plan: Plan, io: BenchIo, dryRun: boolean): Promise<ExitCode> {
  const before = readLedger(plan);
  const pending = plan.runs.filter((run) => !before.done.has(run));
  io.stdout(planText(plan, before));
  if (plan.server.kind === "own") io.stdout(memoryText(plan.server.memory, plan.runs));
  if (dryRun) return exitCode.success;
  if (pending.length > 0) await runAll(plan, pending, io);
  const after = readLedger(plan);
  io.stdout(summaryText(plan, after));
  if (io.signal.aborted) {
    io.stderr("Interrupted. The same command goes on with the run that was under way.\n");
    return exitCode.interrupted;
  }
  return plan.runs.every((run) => after.done.has(run)) ? exitCode.success : exitCode.failure;
}

/** Returns early, without an error, on Ctrl-C. */
async function runAll(plan: Plan, pending: readonly PlannedRun[], io: BenchIo): Promise<void> {
  let server: LoadedServer | null = null;
  try {
    server = await openServer(plan.server, besideOutput(plan.outputFile, ".server.log"), io);
    const speed = await measureSpeed(targeted(plan, pending[0]!, server), server.io);
    io.stdout(timeText(pending, speed));
    for (const [i, run] of pending.entries()) {
      io.stdout(`\n---- ${run.name}: ${run.command}\n`);
      const rest = pending.slice(i + 1).map(({ options }) => estimateS(workloadOf(options), speed));
      const restS = rest.reduce((sum, seconds) => sum + seconds, 0);
      const series = { at: i + 1, of: pending.length, name: run.name, restS };
      const shown = { ...server.io, live: inSeries(server.io.live, series) };
      await runAndKeep({ ...server, io: shown }, targeted(plan, run, server), plan.outputFile);
      if (io.signal.aborted) return;
      const crash = await server.crash();
      if (crash) throw crash;
    }
  } catch (error) {
    if (io.signal.aborted) return;
    throw (await server?.crash()) ?? error;
  } finally {
    await server?.close();
  }
}

function targeted(plan: Plan, run: PlannedRun, { baseUrl }: LoadedServer): PlannedRun["options"] {
  const { outputFile } = plan;
  return { ...run.options, baseUrl, outputFile, labels: labelsOf(plan, run) };
}
