/** Carries out a plan: starts each system, does what is not done yet, and ends in tables and a page. */
import { writeFileSync } from "node:fs";
import { exitCode, type ExitCode } from "../../exit-code.ts";
import { UserError } from "../../user-error.ts";
import { type LoadedServer, openServer, runAndKeep } from "../loaded-server.ts";
import { inSeries } from "../live/view.ts";
import type { BenchIo } from "../run.ts";
import { estimateS, measureSpeed, workloadOf } from "./estimate.ts";
import { labelsOf, type Ledger, readLedger } from "./ledger.ts";
import { reproductionPage } from "./page.ts";
import { type Plan, type PlannedRun, runName, type Series } from "./plan.ts";
import { markdownText, summaryText } from "./tables.ts";
import { guessText, planText, seriesName, timeText } from "./text.ts";

/** Says what will be done and, unless it is a dry run, does it. @throws UserError */
export async function reproduce(plan: Plan, io: BenchIo, dryRun: boolean): Promise<ExitCode> {
  const before = readLedger(plan);
  io.stdout(planText(plan, before) + guessText(plan, before));
  if (dryRun) return exitCode.success;
  for (const series of plan.series) {
    const pending = series.runs.filter((run) => !before.done.has(run));
    if (pending.length > 0 && !io.signal.aborted) await runSeries(series, pending, io);
  }
  const after = readLedger(plan);
  io.stdout(summaryText(plan, after));
  if (after.done.size > 0) writeReport(plan, after, io);
  if (io.signal.aborted) {
    io.stderr("Interrupted. The same command goes on with the run that was under way.\n");
    return exitCode.interrupted;
  }
  const whole = plan.series.every(({ runs }) => runs.every((run) => after.done.has(run)));
  return whole ? exitCode.success : exitCode.failure;
}

/** A system that fails leaves the next ones their turn. */
async function runSeries(
  series: Series,
  pending: readonly PlannedRun[],
  io: BenchIo,
): Promise<void> {
  try {
    io.stdout(`\n==== ${seriesName(series)}\n`);
    await runAll(series, pending, io);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    io.stderr(`${series.system}: ${error.message}\n`);
    io.stderr("The same command goes on from there.\n");
  }
}

/** Returns early, without an error, on Ctrl-C. */
async function runAll(series: Series, pending: readonly PlannedRun[], io: BenchIo): Promise<void> {
  let server: LoadedServer | null = null;
  try {
    server = await openServer(series.server, series.logFile, io);
    const speed = await measureSpeed(targeted(series, pending[0]!, server), server.io);
    io.stdout(timeText(pending, speed));
    for (const [i, run] of pending.entries()) {
      io.stdout(`\n---- ${runName(run)}: ${run.command}\n`);
      const rest = pending.slice(i + 1).map(({ options }) => estimateS(workloadOf(options), speed));
      const restS = rest.reduce((sum, seconds) => sum + seconds, 0);
      const place = { at: i + 1, of: pending.length, name: runName(run), restS };
      const shown = { ...server.io, live: inSeries(server.io.live, place) };
      await runAndKeep({ ...server, io: shown }, targeted(series, run, server), run.outputFile);
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

function targeted(series: Series, run: PlannedRun, { baseUrl }: LoadedServer) {
  const { outputFile } = run;
  return { ...run.options, baseUrl, outputFile, labels: labelsOf(series, run) };
}

function writeReport(plan: Plan, ledger: Ledger, io: BenchIo): void {
  const { reportFile } = plan;
  try {
    writeFileSync(`${reportFile}.md`, markdownText(plan, ledger));
    writeFileSync(`${reportFile}.html`, reproductionPage(plan, ledger, new Date()));
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError(`cannot write the report: ${why}`, { cause: error });
  }
  io.stdout(`\nReport: ${reportFile}.html, ${reportFile}.md\n`);
}
