/** The runs of --num-runs together, as a table and as keys of the last run's line. */
import type { AcrossRuns } from "../analysis/across-runs.ts";
import { fixed2, float } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import { row, title, width } from "./text.ts";

export function acrossRunsTable(runs: number, figures: AcrossRuns): string {
  const rows = Object.entries(figures).map(([name, { mean, interval, variation }]) => {
    const ends = interval?.map(fixed2).join(", ") ?? "-";
    const text = variation === null ? "-" : `${(100 * variation).toFixed(1)} %`;
    return row(`${name}:`, `${fixed2(mean)}  [${ends}]  CV ${text}`);
  });
  const head = title(`${runs} runs: mean, 95 % of it, CV`, "=");
  return `${[head, ...rows, "=".repeat(width)].join("\n")}\n`;
}

export function acrossRunsFields(runs: number, figures: AcrossRuns): Record<string, PythonValue> {
  const told = Object.entries(figures).map(([name, { mean, interval, variation }]) => [
    name,
    {
      mean: float(mean),
      mean_ci: interval && interval.map(float),
      cv: variation === null ? null : float(variation),
    },
  ]);
  return { across_runs: { runs, ...Object.fromEntries(told) } };
}
