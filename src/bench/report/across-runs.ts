/** The runs of --num-runs together, as a table and as keys of the last run's line. */
import { acrossRuns, type AcrossRuns, type RunFigures } from "../analysis/across-runs.ts";
import type { BenchOptions } from "../options.ts";
import { fixed2, float } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import { row, title, width } from "./text.ts";

/** @param valid How many of the runs are not INVALID. */
export function acrossRunsTable(runs: number, valid: number, figures: AcrossRuns): string {
  const rows = Object.entries(figures).map(([name, { mean, interval, variation }]) => {
    const ends = interval?.map(fixed2).join(", ") ?? "-";
    const text = variation === null ? "-" : `${(100 * variation).toFixed(1)} %`;
    return row(`${name}:`, `${fixed2(mean)}  [${ends}]  CV ${text}`);
  });
  const head = title(`${runs} runs: mean, 95 % of it, CV`, "=");
  const told = row("Valid runs:", `${valid} of ${runs}`);
  return `${[head, ...rows, told, "=".repeat(width)].join("\n")}\n`;
}

/** The number of the run, and what all say together in the line of the last; nothing without --num-runs. */
export function repetitionFields(
  { numRuns }: Pick<BenchOptions, "numRuns">,
  runs: readonly RunFigures[],
): Record<string, PythonValue> {
  if (numRuns === 1) return {};
  const run = { run: runs.length, num_runs: numRuns };
  return runs.length < numRuns ? run : { ...run, across_runs: acrossRunsFields(acrossRuns(runs)) };
}

function acrossRunsFields(figures: AcrossRuns): Record<string, PythonValue> {
  const told = Object.entries(figures).map(([name, { mean, interval, variation }]) => [
    name,
    {
      mean: float(mean),
      mean_ci: interval && interval.map(float),
      cv: variation === null ? null : float(variation),
    },
  ]);
  return Object.fromEntries(told) as Record<string, PythonValue>;
}
