/** The report: one HTML page that needs nothing else, neither network nor script. */
import { type Configuration, configurationText, loadParts } from "../../results/configuration.ts";
import type { Measurements } from "../../measurements.ts";
import { latencyMetrics } from "../../results/figures.ts";
import { textOf, type SavedRun } from "../../results/lines.ts";
import { cdfChart } from "./cdf.ts";
import { resetChartIds } from "./chart.ts";
import { curveCharts } from "./curves.ts";
import { htmlDocument } from "./document.ts";
import { type Markup, markup } from "./markup.ts";
import { overTimeCharts } from "./over-time.ts";
import { reportedRuns, type ReportedRun } from "./runs.ts";
import { allFields, commands, repeatedTables, summaryTable, warnings } from "./tables.ts";

export interface ReportOptions {
  /** null: what all runs have in common. */
  readonly title: string | null;
  readonly now: Date;
}

export function reportPage(
  saved: readonly SavedRun[],
  records: ReadonlyMap<SavedRun, Measurements>,
  { title, now }: ReportOptions,
): string {
  resetChartIds();
  const runs = reportedRuns(saved, records);
  const common = commonParts(runs);
  const { backend = "", model = "" } = common;
  const heading =
    title ?? ([model, backend].filter((part) => part !== "").join(" on ") || "Benchmark report");
  const drawn = runs.filter((run) => run.colour !== null);
  return htmlDocument({ heading, subtitle: subtitle(runs, common), now }, [
    warnings(runs),
    markup`<section><h2>Runs</h2>${summaryTable(runs)}</section>`,
    curveSection(runs),
    cdfSection(drawn),
    overTimeSection(drawn),
    noRecordsNote(runs, drawn),
    repeatedSection(runs),
    commandSection(runs),
  ]);
}

/** The parts of their configuration in which all runs agree. */
function commonParts(runs: readonly ReportedRun[]): Configuration {
  const first = Object.entries(runs[0]!.configuration) as [keyof Configuration, string][];
  return Object.fromEntries(
    first.filter(([part, value]) => runs.every((run) => run.configuration[part] === value)),
  );
}

function subtitle(runs: readonly ReportedRun[], common: Configuration): string {
  const starts = runs.flatMap(({ saved }) => textOf(saved.fields, "started_at") ?? []).sort();
  const days = [...new Set(starts.map((time) => time.slice(0, 10)))];
  const parts = [
    configurationText(common, loadParts),
    `${runs.length} run${runs.length === 1 ? "" : "s"}`,
    days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? ""),
  ];
  return parts.filter((part) => part !== "").join(" \u00b7 ");
}

function curveSection(runs: readonly ReportedRun[]): Markup | null {
  const curves = curveCharts(runs);
  if (curves.length === 0) return null;
  return markup`<section>${curves.map(
    ({ axis, charts }) => markup`<h2>By ${axis}</h2><div class="grid">${charts}</div>`,
  )}<p class="note">Error bars are 95 % intervals: Student's t over three or more runs, else a block bootstrap of the run's records; over two runs they span both.</p></section>`;
}

function cdfSection(drawn: readonly ReportedRun[]): Markup | null {
  const charts = latencyMetrics.flatMap((metric) => cdfChart(metric, drawn) ?? []);
  if (charts.length === 0) return null;
  return markup`<section><h2>Latency</h2><div class="grid">${charts}</div></section>`;
}

function overTimeSection(drawn: readonly ReportedRun[]): Markup | null {
  const parts = drawn.flatMap((run) => {
    const charts = overTimeCharts(run);
    if (charts.length === 0) return [];
    const heading = drawn.length > 1 ? markup`<h3>${run.name}</h3>` : null;
    return [markup`<div class="stack">${heading}${charts}</div>`];
  });
  return parts.length === 0 ? null : markup`<section><h2>Over time</h2>${parts}</section>`;
}

function noRecordsNote(runs: readonly ReportedRun[], drawn: readonly ReportedRun[]): Markup | null {
  const recorded = runs.filter((run) => run.records !== null).length;
  const notes = [
    ...(recorded === 0
      ? [
          "No records of requests were given (--records), so there are no distributions, no timelines and no error bars of single runs.",
        ]
      : recorded < runs.length
        ? [`${runs.length - recorded} of the runs have no records and so no charts of their own.`]
        : []),
    ...(recorded > drawn.length ? [`Drawn are ${drawn.length} of ${recorded} runs.`] : []),
  ];
  return notes.length === 0 ? null : markup`<p class="note">${notes.join(" ")}</p>`;
}

function repeatedSection(runs: readonly ReportedRun[]): Markup | null {
  const tables = repeatedTables(runs);
  if (tables.length === 0) return null;
  return markup`<section><h2>Repeated runs</h2>${tables}</section>`;
}

function commandSection(runs: readonly ReportedRun[]): Markup {
  return markup`<section><h2>How it was measured</h2>${commands(runs)}<p></p>${allFields(runs)}</section>`;
}
