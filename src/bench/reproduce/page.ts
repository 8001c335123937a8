/** The page that a reproduction leaves: the published comparison's charts and tables over again, and how to repeat each run. */
import { serverText } from "../loaded-server.ts";
import { barChart } from "../report/html/bars.ts";
import { resetChartIds, type Size } from "../report/html/chart.ts";
import { htmlDocument } from "../report/html/document.ts";
import { lineChart } from "../report/html/lines.ts";
import { type Markup, markup } from "../report/html/markup.ts";
import { summaryTable, warnings } from "../report/html/tables.ts";
import { configurationOf } from "../results/configuration.ts";
import { textOf } from "../results/lines.ts";
import { type Comparison, comparisonsOf } from "./comparison.ts";
import { type Ledger, runCommand } from "./ledger.ts";
import { type Plan, type PlannedRun, runName, type Series } from "./plan.ts";
import {
  columnName,
  comparisonTable,
  comparisonTitle,
  loadTable,
  notesOf,
  scaleText,
  type Table,
} from "./tables.ts";
import { seriesName } from "./text.ts";

const size: Size = { width: 900, height: 340 };

export function reproductionPage(plan: Plan, ledger: Ledger, now: Date): string {
  resetChartIds();
  const comparisons = comparisonsOf(plan, ledger);
  const notes = notesOf(plan, comparisons);
  const heading = "SGLang v0.2\u2019s comparison, reproduced";
  const runs = reportedRuns(plan, ledger);
  return htmlDocument({ heading, subtitle: subtitle(plan, ledger), now }, [
    warnings(runs),
    ...comparisons.map(comparisonSection),
    markup`<section>${notes.map((note) => markup`<p class="note">${note}</p>`)}</section>`,
    markup`<section><h2>What was sent</h2><p class="note">Lengths are those really drawn, in tokens.</p>${htmlTable(loadTable(plan, ledger))}</section>`,
    markup`<section><h2>All figures</h2>${summaryTable(runs)}</section>`,
    commandSection(plan),
    clientSection(ledger),
  ]);
}

function subtitle({ scale, series }: Plan, { done }: Ledger): string {
  const starts = [...done.values()].flatMap((line) => textOf(line, "started_at") ?? []).sort();
  const days = [...new Set(starts.map((time) => time.slice(0, 10)))];
  const planned = series.reduce((count, { runs }) => count + runs.length, 0);
  return [
    series.map(seriesName).join("; "),
    `${done.size} of ${planned} runs`,
    scale === 1 ? "all prompts" : `${scaleText(scale)} of the prompts`,
    days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? ""),
  ]
    .filter((part) => part !== "")
    .join(" \u00b7 ");
}

/** Named for the table of all figures. */
function reportedRuns({ series }: Plan, { done }: Ledger) {
  return series.flatMap((one) =>
    one.runs.flatMap((run) => {
      const fields = done.get(run);
      if (!fields) return [];
      const name = series.length > 1 ? `${runName(run)}, ${seriesName(one)}` : runName(run);
      const saved = { file: run.outputFile, line: 0, fields };
      return [{ name, saved, configuration: configurationOf(fields), records: null, colour: null }];
    }),
  );
}

function comparisonSection(comparison: Comparison): Markup {
  const draw = comparison.recipe === "offline" ? offlineChart : onlineChart;
  return markup`<section><h2>${comparisonTitle(comparison)}</h2>${draw(comparison)}${htmlTable(comparisonTable(comparison))}</section>`;
}

/** Systems of the same name have the same colour, measured and published. */
function coloursOf({ columns }: Comparison): ReadonlyMap<string, number> {
  const keys = columns.map(({ name }) => colourKey(name));
  return new Map([...new Set(keys)].map((key, i) => [key, i]));
}
const colourKey = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

function offlineChart(comparison: Comparison): Markup {
  const colours = coloursOf(comparison);
  const groups = comparison.runs.map((run) => ({ name: runName(run), lines: lengthLines(run) }));
  const series = comparison.columns.map((column) => ({
    name: columnName(column),
    colour: colours.get(colourKey(column.name))!,
    outlined: column.published,
    values: column.figures,
  }));
  return barChart("Output tokens a second, all requests sent at once", size, groups, series);
}

/** What the flags of an offline run ask for. */
function lengthLines({ options }: PlannedRun): string[] {
  const { datasetName, randomInputLen, randomOutputLen, randomRangeRatio: ratio } = options;
  if (datasetName === "sharegpt") return ["ShareGPT"];
  const range = (length: number): string => `${Math.floor(length * ratio)} to ${length}`;
  return [`in ${range(randomInputLen)}`, `out ${range(randomOutputLen)}`];
}

function onlineChart(comparison: Comparison): Markup | null {
  const colours = coloursOf(comparison);
  const rates = comparison.runs.map(({ options }) => options.requestRate.perSecond);
  const lines = comparison.columns
    .map((column) => ({
      name: columnName(column),
      colour: colours.get(colourKey(column.name))!,
      dashed: column.published,
      points: column.figures.flatMap((y, i) =>
        y === null ? [] : [{ x: rates[i]!, y, interval: null }],
      ),
    }))
    .filter(({ points }) => points.length > 0);
  return lineChart({
    title: "Median end-to-end latency (s)",
    xLabel: "request rate (req/s)",
    size,
    lines,
    xTicks: rates,
    logY: true,
  });
}

function htmlTable({ head, rows }: Table): Markup {
  return markup`<div class="wide"><table><thead><tr>${head.map(
    (text) => markup`<th scope="col">${text}</th>`,
  )}</tr></thead><tbody>${rows.map(
    ([first, ...rest]) =>
      markup`<tr><th scope="row">${first!}</th>${rest.map((text) => markup`<td>${text}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}

function commandSection({ series }: Plan): Markup {
  return markup`<section><h2>To repeat a run</h2><p class="note">Start the server, then give one of the lines below it; each appends its result to the file that it names.</p>${series.map(
    commandsOf,
  )}</section>`;
}

function commandsOf(series: Series): Markup {
  const { server, runs } = series;
  const start = server.kind === "running" ? `# runs at ${server.baseUrl}` : serverText(server);
  const lines = runs.map((run) => `# ${runName(run)}\n${runCommand(series, run)}`);
  return markup`<h3>${seriesName(series)}</h3><pre><code>${start}</code></pre><pre><code>${lines.join("\n")}</code></pre>`;
}

function clientSection({ done }: Ledger): Markup | null {
  const machines = [...done.values()].flatMap((line) => textOf(line, "client_machine") ?? []);
  const each = [...new Set(machines)];
  if (each.length === 0) return null;
  return markup`<section><h2>Client</h2>${each.map((text) => markup`<pre><code>${text}</code></pre>`)}</section>`;
}
