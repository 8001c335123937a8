/** What a reproduction tells its user before it runs: the plan and its cost. */
import { availableParallelism } from "node:os";
import { sizeText } from "../../size-text.ts";
import { serverText } from "../loaded-server.ts";
import { columns } from "../report/columns.ts";
import { numberOf } from "../results/lines.ts";
import {
  estimateS,
  guessSpeed,
  leastS,
  type Speed,
  type Workload,
  workloadOf,
} from "./estimate.ts";
import { type Ledger, runCommand } from "./ledger.ts";
import {
  type ModelMemory,
  outputFiles,
  type Plan,
  type PlannedRun,
  runName,
  type Series,
} from "./plan.ts";

/** The systems, their memory and the commands, exactly; each works by itself. */
export function planText(plan: Plan, { done }: Ledger): string {
  const parts = plan.series.flatMap((series) => [
    ...(plan.series.length > 1 ? [`System:  ${seriesName(series)}`] : []),
    `Server:  ${serverText(series.server)}${series.server.kind === "running" ? " (running)" : ""}`,
    ...(series.memory ? [memoryText(series.memory, series.runs)] : []),
    ...series.runs.map(
      (run) => `${runName(run)}${done.has(run) ? ", done" : ""}:\n  ${runCommand(series, run)}`,
    ),
    ...(plan.series.length > 1 ? [""] : []),
  ]);
  return [
    ...parts,
    `Results: ${outputFiles(plan).join(", ")}`,
    `Report:  ${plan.reportFile}.html, ${plan.reportFile}.md`,
    "",
  ].join("\n");
}

export const seriesName = ({ system, model }: Series): string => `${system}, ${model}`;

/** What memory the model takes, and what of it the runs could use. */
function memoryText(memory: ModelMemory, runs: readonly PlannedRun[]): string {
  const { weightBytes, kvBytesPerToken, freeBytes } = memory;
  const workloads = runs.map((run) => workloadOf(run.options));
  const atOnce = Math.max(...workloads.map((w) => w.prompts * (w.input + w.output)));
  const verdict =
    weightBytes < freeBytes ? "" : "\nThe weights do not fit: expect the server to refuse.";
  return (
    `Memory:  ${sizeText(weightBytes)} for weights of ${sizeText(freeBytes)} free; the KV cache takes ` +
    `${sizeText(kvBytesPerToken)} a token, ${sizeText(atOnce * kvBytesPerToken)} to hold all requests of ` +
    `the largest run at once (what does not fit waits)${verdict}`
  );
}

/** The time of everything before anything was measured; of what is done, the time that it took. */
export function guessText(plan: Plan, { done }: Ledger): string {
  const several = plan.series.length > 1;
  const cores = availableParallelism();
  let [guessedS, unknown] = [0, false];
  const rows = plan.series.flatMap((series) =>
    series.runs.map((run) => {
      const workload = workloadOf(run.options);
      const who = several ? [series.system, series.model] : [];
      const row = (time: string) => [...who, runName(run), time, ...amounts(workload)];
      const line = done.get(run);
      if (line) return row(`took ${secondsText(numberOf(line, "duration") ?? 0)}`);
      const { memory } = series;
      unknown ||= memory === null;
      const seconds = memory ? estimateS(workload, guessSpeed(memory, cores)) : leastS(workload);
      guessedS += seconds;
      if (memory) return row(about(seconds));
      return row(seconds > 0 ? `${secondsText(seconds)} or more` : "not known yet");
    }),
  );
  const total = unknown ? `${secondsText(guessedS)} or more` : about(guessedS);
  const basis = plan.series.some(({ memory }) => memory)
    ? ` (from the model's size and ${cores} cores; a probe of each server will tell better)`
    : " (a probe of each server will tell)";
  return (
    `Time${basis}:\n` +
    columns([...(several ? ["system", "model"] : []), ...amountsHead], rows) +
    (guessedS > 0 ? `Left to do: ${total}\n` : "")
  );
}

/** The time of each run that is still to do, and of all. */
export function timeText(runs: readonly PlannedRun[], speed: Speed): string {
  const seconds = runs.map((run) => estimateS(workloadOf(run.options), speed));
  const rows = runs.map((run, i) => [
    runName(run),
    about(seconds[i]!),
    ...amounts(workloadOf(run.options)),
  ]);
  const total = about(seconds.reduce((a, b) => a + b, 0));
  return (
    `Estimate from a short probe (a prompt's token ${ms(speed.prefillS)}, a decode step ${ms(speed.stepS)} ` +
    `and ${ms(speed.batchedS)} more for each further request):\n` +
    columns(amountsHead, rows) +
    `In all ${total}; Ctrl-C keeps what is done, the same command goes on from there.\n`
  );
}

const amountsHead = ["run", "time", "prompts", "input tokens", "output tokens"];

const amounts = ({ prompts, input, output }: Workload): string[] =>
  [prompts, prompts * input, prompts * output].map((count) => String(Math.round(count)));

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

export const about = (seconds: number): string => `about ${secondsText(seconds)}`;

export function secondsText(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
