/** Carries out a plan: starts the server, runs what is not done yet, and ends in a table. */
import { exitCode, type ExitCode } from "../../exit-code.ts";
import { healthStatus, launchServer, type LaunchedServer } from "../../launch/index.ts";
import { runtime } from "../../runtime/index.ts";
import { UserError } from "../../user-error.ts";
import { type BenchIo, type BenchRun, runBench } from "../run.ts";
import { measureSpeed } from "./estimate.ts";
import { appendLine, labelsOf, readLedger } from "./ledger.ts";
import { type Plan, type PlannedRun, besideOutput } from "./plan.ts";
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
  let server: Target | null = null;
  try {
    server = await openTarget(plan, io);
    const speed = await measureSpeed(targeted(plan, pending[0]!, server), server.io);
    io.stdout(timeText(pending, speed));
    for (const run of pending) {
      io.stdout(`\n---- ${run.name}: ${run.command}\n`);
      await runOne(plan, run, server);
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

/** The server that the runs load. */
interface Target {
  readonly baseUrl: string;
  /** Its signal is also aborted when the server ends by itself. */
  readonly io: BenchIo;
  /** What became of a server that answers no more; null while it does. */
  crash(): Promise<UserError | null>;
  close(): Promise<void>;
}

async function openTarget(plan: Plan, io: BenchIo): Promise<Target> {
  if (plan.server.kind === "running") {
    const { baseUrl } = plan.server;
    const crash = async (): Promise<UserError | null> => {
      const answers = (await healthStatus(baseUrl, io.signal)) !== null;
      return answers ? null : new UserError(`--base-url: ${baseUrl} does not answer any more`);
    };
    return { baseUrl, io, crash, close: async () => {} };
  }
  const logFile = besideOutput(plan.outputFile, ".server.log");
  const server = await startOwn(plan.server.flags, logFile, io);
  io.stdout(`${readyLine(server.log())![0]}\n`);
  const died = new AbortController();
  void server.ended.then(() => died.abort());
  const signal = AbortSignal.any([io.signal, died.signal]);
  return {
    baseUrl: server.baseUrl,
    io: { ...io, signal },
    crash: () => server.crash(io.signal),
    close: () => server.stop(),
  };
}

/** Loading tens of gigabytes from a slow disk is not a fault. */
const readyTimeoutMs = 60 * 60 * 1000;

async function startOwn(
  flags: readonly string[],
  logFile: string,
  io: BenchIo,
): Promise<LaunchedServer> {
  io.stdout(`Starting the server; its log is ${logFile}\n`);
  const command = [...runtime.selfCommand(), "launch_server", ...flags, "--port", "0"];
  const onWait = (seconds: number, line: string): void => {
    if (!io.isTerminal) return;
    const text = `${seconds.toFixed(0)} s  ${line}`.slice(0, io.columns - 1);
    io.stderr(`\r${text}\u001b[K`);
  };
  try {
    const watch = { signal: io.signal, onWait };
    return await launchServer({ command, logFile, address: readyAddress, readyTimeoutMs }, watch);
  } finally {
    if (io.isTerminal) io.stderr("\r\u001b[K");
  }
}

/** From the line that `servebench serve` prints when it can answer. */
const readyLine = (log: string): RegExpExecArray | null =>
  /^servebench: ready at (http:\S+).*$/m.exec(log);
const readyAddress = (log: string): string | null => readyLine(log)?.[1] ?? null;

function targeted(plan: Plan, run: PlannedRun, { baseUrl }: Target): PlannedRun["options"] {
  const { outputFile } = plan;
  return { ...run.options, baseUrl, outputFile, labels: labelsOf(plan, run) };
}

/** The line of a run that was interrupted, or met a dying server, goes beside the others, not among them. */
async function runOne(plan: Plan, run: PlannedRun, target: Target): Promise<void> {
  const keepLine = async (line: string, { facts, metrics }: BenchRun): Promise<void> => {
    const whole =
      !facts.interrupted &&
      metrics.completed > 0 &&
      (metrics.completed === facts.planned || (await target.crash()) === null);
    const file = whole ? plan.outputFile : besideOutput(plan.outputFile, ".incomplete.jsonl");
    appendLine(file, line);
  };
  await runBench(targeted(plan, run, target), { ...target.io, keepLine });
}
