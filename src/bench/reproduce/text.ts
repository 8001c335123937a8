/** What a reproduction tells its user: the plan and its cost before, the table after. */
import { columns } from "../report/columns.ts";
import { rangeText, rateText } from "../report/table.ts";
import { type Speed, type Workload, estimateS, workloadOf } from "./estimate.ts";
import type { Ledger, RunLine } from "./ledger.ts";
import {
  type ModelMemory,
  type Plan,
  type PlannedRun,
  commandLine,
  serverText,
  shellWord,
} from "./plan.ts";
import type { Recipe } from "./recipes.ts";

/** The commands, exactly; each works by itself. */
export function planText(plan: Plan, { done }: Ledger): string {
  const { server, runs, outputFile } = plan;
  const where = server.kind === "own" ? [] : ["--base-url", server.baseUrl];
  const tail = commandLine("", [...where, "--output-file", outputFile]).replace(/^\S+ /, "");
  return [
    server.kind === "own"
      ? `Server:  ${serverText(server)}`
      : `Server:  ${server.baseUrl} (running)`,
    ...runs.map((run) => `${run.name}${done.has(run) ? ", done" : ""}:\n  ${run.command}${tail}`),
    `Results: ${outputFile}`,
    "",
  ].join("\n");
}

/** What memory the model takes, and what of it the runs could use. */
export function memoryText(memory: ModelMemory, runs: readonly PlannedRun[]): string {
  const { weightBytes, kvBytesPerToken, freeBytes } = memory;
  const workloads = runs.map((run) => workloadOf(run.options));
  const atOnce = Math.max(...workloads.map((w) => w.prompts * (w.input + w.output)));
  const verdict =
    weightBytes < freeBytes ? "" : "\nThe weights do not fit: expect the server to refuse.";
  return (
    `Memory:  ${sizeText(weightBytes)} for weights of ${sizeText(freeBytes)} free; the KV cache takes ` +
    `${sizeText(kvBytesPerToken)} a token, ${sizeText(atOnce * kvBytesPerToken)} to hold all requests of ` +
    `the largest run at once (what does not fit waits)${verdict}\n`
  );
}

/** The time of each run that is still to do, and of all. */
export function timeText(runs: readonly PlannedRun[], speed: Speed): string {
  const seconds = runs.map((run) => estimateS(workloadOf(run.options), speed));
  const rows = runs.map((run, i) => {
    const workload = workloadOf(run.options);
    return [run.name, about(seconds[i]!), String(workload.prompts), ...tokens(workload)];
  });
  const total = about(seconds.reduce((a, b) => a + b, 0));
  return (
    `Estimate from a short probe (a prompt's token ${ms(speed.prefillS)}, a decode step ${ms(speed.stepS)} ` +
    `and ${ms(speed.batchedS)} more for each further request):\n` +
    columns(["run", "time", "prompts", "input tokens", "output tokens"], rows) +
    `In all ${total}; Ctrl-C keeps what is done, the same command goes on from there.\n`
  );
}

const tokens = ({ prompts, input, output }: Workload): string[] =>
  [prompts * input, prompts * output].map((count) => String(Math.round(count)));

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(2)} ms`;

export function about(seconds: number): string {
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `about ${(seconds / 3600).toFixed(1)} h`;
  return `about ${Math.round(seconds / 86_400)} days`;
}

function sizeText(bytes: number): string {
  const units = ["KiB", "MiB", "GiB"];
  let size = bytes / 1024;
  for (; size >= 1000 && units.length > 1; units.shift()) size /= 1024;
  return `${size.toFixed(1)} ${units[0]}`;
}

/** The end: one row a run, and what the published pipeline prints. */
export function summaryText(plan: Plan, { done, lines }: Ledger): string {
  const { figure } = plan.recipe;
  const head = ["run", "data set", "rate", "prompts", "input len", "output len", figure.name];
  const rows = plan.runs.map((run) => {
    const rate = rateText(run.options.requestRate);
    const line = done.get(run);
    if (!line) return [run.name, "not run", rate, String(run.options.numPrompts), "", "", "", ""];
    return [run.name, line.dataset_source, rate, String(line.planned), ...lengths(line)].concat(
      figureOf(plan.recipe, line).toFixed(2),
      String(line.planned - line.completed),
    );
  });
  return `\n${columns([...head, "failed"], rows)}\n${pipelineText(plan, { done, lines })}`;
}

const lengths = (line: RunLine): string[] => [
  rangeText({ min: line.min_input_len, max: line.max_input_len }),
  rangeText({ min: line.min_output_len, max: line.max_output_len }),
];

function figureOf({ figure }: Recipe, line: RunLine): number {
  return figure.field === 12 ? line.output_throughput : line.median_e2e_latency_ms;
}

function pipelineText({ outputFile, recipe }: Plan, { done, lines }: Ledger): string {
  const { field } = recipe.figure;
  const cut = lines.map((line) => (line.split(":")[field - 1] ?? line).split(",")[0]);
  const others = lines.length - done.size;
  return [
    `$ cat ${shellWord(outputFile)} | cut -d':' -f${field} | cut -d',' -f1`,
    ...cut,
    ...(others > 0 ? [`(${others} of the lines are of other runs than those asked for.)`] : []),
    "",
  ].join("\n");
}
