/** Carries out a sweep: each cell of a grid as a run with a result line of its own, or a search in each cell. */
import { exitCode, type ExitCode } from "../../exit-code.ts";
import { SeriesTime } from "../live/series-time.ts";
import type { Series } from "../live/state.ts";
import { inSeries } from "../live/view.ts";
import {
  type LoadedServer,
  openServer,
  runAndKeep,
  type ServerChoice,
  serverText,
} from "../loaded-server.ts";
import type { Measurements } from "../measurements.ts";
import type { BenchOptions } from "../options.ts";
import { clientMachine } from "../report/client-machine.ts";
import { besideOutput, type Ledger, readLedger } from "../results/ledger.ts";
import type { Fields } from "../results/lines.ts";
import type { BenchIo, BenchRun } from "../run.ts";
import { estimate, type Estimates, type Goal } from "./goals.ts";
import { type Found, search, type SearchBounds } from "./search.ts";
import { figuresText, foundText, planText, reportCommand, sweepTable } from "./text.ts";

/** What one run of a cell is asked to do. */
export interface SweepRun {
  /** "rate 4, 128/32, run 2". */
  readonly name: string;
  /** The equivalent command line, but for where the server is and where the results go: names the run in its line. */
  readonly command: string;
  readonly options: BenchOptions;
}

/** A combination of the grid; `at` gives its runs at a rate or concurrency that the search chooses. */
export interface Cell {
  readonly name: string;
  readonly runs: readonly SweepRun[];
  readonly at: (value: number, run: number) => SweepRun;
}

export interface SweepPlan {
  readonly servers: readonly ServerChoice[];
  readonly cells: readonly Cell[];
  readonly outputFile: string;
  /** null: the grid's runs are done. */
  readonly search: {
    readonly axis: "rate" | "concurrency";
    readonly goals: readonly Goal[];
    readonly bounds: SearchBounds;
  } | null;
}

/** Says what will be done and, unless it is a dry run, does it. @throws UserError */
export async function sweep(plan: SweepPlan, io: BenchIo, dryRun: boolean): Promise<ExitCode> {
  io.stdout(planText(plan));
  if (dryRun) return exitCode.success;
  let complete = true;
  let allFound = true;
  for (const server of plan.servers) {
    if (io.signal.aborted) break;
    const { done, found } = await onServer(plan, server, io);
    complete &&= done;
    allFound &&= found;
  }
  if (!plan.search) io.stdout(sweepTable(plan));
  if (!io.inSession) io.stdout(reportCommand(plan));
  if (io.signal.aborted) {
    io.stderr("Interrupted. The same command goes on with the run that was under way.\n");
    return exitCode.interrupted;
  }
  if (!complete) return exitCode.failure;
  return allFound ? exitCode.success : exitCode.gate;
}

/** What is known and done on one server. */
interface Session {
  readonly plan: SweepPlan;
  readonly choice: ServerChoice;
  readonly io: BenchIo;
  /** Starts the server when the first run needs it. */
  readonly server: () => Promise<LoadedServer>;
}

async function onServer(plan: SweepPlan, choice: ServerChoice, io: BenchIo) {
  let opened: LoadedServer | null = null;
  const number = plan.servers.indexOf(choice) + 1;
  const log = besideOutput(
    plan.outputFile,
    plan.servers.length > 1 ? `.server${number}.log` : ".server.log",
  );
  const server = async (): Promise<LoadedServer> => (opened ??= await openServer(choice, log, io));
  const session = { plan, choice, io, server };
  try {
    return plan.search ? await searchAll(session, plan.search) : await runGrid(session);
  } catch (error) {
    if (io.signal.aborted) return { done: false, found: true };
    throw (await (opened as LoadedServer | null)?.crash()) ?? error;
  } finally {
    await (opened as LoadedServer | null)?.close();
  }
}

async function runGrid(session: Session): Promise<{ done: boolean; found: boolean }> {
  const { plan, io } = session;
  const runs = plan.cells.flatMap((cell) => cell.runs);
  const ledger = ledgerOf(session, runs);
  const time = new SeriesTime();
  let done = true;
  for (const [i, run] of runs.entries()) {
    if (ledger.done.has(run)) continue;
    if (io.signal.aborted) return { done: false, found: true };
    io.stdout(`\n---- ${i + 1} of ${runs.length}: ${run.name}\n`);
    const later = runs.slice(i + 1).filter((one) => !ledger.done.has(one));
    const restS = time.restS(later.map(({ options }) => options));
    const series = { at: i + 1, of: runs.length, name: run.name, restS };
    const kept = await time.measure(() => runOne(session, run, series));
    done &&= kept !== null;
  }
  return { done, found: true };
}

const ledgerOf = ({ plan, choice }: Session, runs: readonly SweepRun[]): Ledger<SweepRun> =>
  readLedger(plan.outputFile, serverText(choice), runs);

/** A run's own tables are not shown: its line below the heading says what is needed here. */
async function runOne(
  session: Session,
  run: SweepRun,
  series: Series,
  more?: (measurements: Measurements) => object,
): Promise<BenchRun | null> {
  const { plan, choice, io } = session;
  const server = await session.server();
  const labels = {
    sweep: run.name,
    command: run.command,
    server: serverText(choice),
    client_machine: clientMachine(),
  };
  const live = inSeries(server.io.live, series);
  const quiet = { ...server, io: { ...server.io, live, stdout: () => {} } };
  const kept = await runAndKeep(quiet, { ...run.options, labels }, plan.outputFile, more);
  if (kept) io.stdout(figuresText(kept));
  else if (!io.signal.aborted) io.stdout("No request succeeded, or the server did not last.\n");
  const crash = io.signal.aborted ? null : await server.crash();
  if (crash) throw crash;
  return kept;
}

async function searchAll(
  session: Session,
  asked: NonNullable<SweepPlan["search"]>,
): Promise<{ done: boolean; found: boolean }> {
  const { plan, io } = session;
  let found = true;
  let tries = 0;
  for (const cell of plan.cells) {
    if (cell.name !== "") io.stdout(`\n==== ${cell.name}\n`);
    let requests = 0;
    const result = await search(asked.goals, asked.bounds, async (value, number) => {
      if (io.signal.aborted) return null;
      const run = cell.at(value, number);
      io.stdout(`\n---- ${run.name}\n`);
      requests += run.options.numPrompts;
      return (
        (await knownEstimates(session, run, asked.goals)) ??
        measured(session, run, ++tries, asked.goals)
      );
    });
    if (!result) return { done: false, found };
    io.stdout(`\n${foundText(result as Found, asked, requests)}`);
    found &&= result.best !== null;
  }
  return { done: true, found };
}

/** From the line of a run that was done before. */
async function knownEstimates(
  session: Session,
  run: SweepRun,
  goals: readonly Goal[],
): Promise<Estimates | null> {
  const line = ledgerOf(session, [run]).done.get(run);
  const slo = line?.["slo"] as
    Record<string, { value: number; low: number | null; high: number | null }> | undefined;
  if (!slo || typeof slo !== "object") return null;
  const known = goals.map(({ figure }) => slo[figure.name]);
  if (known.some((one) => typeof one?.value !== "number")) return null;
  session.io.stdout("Done before.\n");
  return known.map((one) => ({
    value: one!.value,
    interval: one!.low === null || one!.high === null ? null : { low: one!.low, high: one!.high },
  }));
}

/** The try of that number. null on Ctrl-C. A run in which all requests failed meets no goal. */
async function measured(
  session: Session,
  run: SweepRun,
  number: number,
  goals: readonly Goal[],
): Promise<Estimates | null> {
  const series = { at: number, of: null, name: run.name, restS: null };
  let found: Estimates = goals.map(() => null);
  await runOne(session, run, series, (measurements) => {
    found = estimate(goals, measurements);
    return { slo: sloFields(goals, found) };
  });
  return session.io.signal.aborted ? null : found;
}

function sloFields(goals: readonly Goal[], estimates: Estimates): Fields {
  const fields = goals.map(({ figure, text }, i) => {
    const found = estimates[i];
    const { low = null, high = null } = found?.interval ?? {};
    return [figure.name, found && { goal: text, value: found.value, low, high }];
  });
  return Object.fromEntries(fields) as Fields;
}
