/** The tables that a reproduction ends in, as data; and their text for terminals and as Markdown. */
import { shellWord } from "../command-line.ts";
import { columns } from "../report/columns.ts";
import { rangeText, rateText } from "../report/table.ts";
import { failuresOf, type Fields, numberOf, textOf } from "../results/lines.ts";
import { markdown } from "../results/formats.ts";
import { numberText } from "../results/number-text.ts";
import { type Comparison, type Column, comparisonsOf } from "./comparison.ts";
import { type Ledger, runCommand } from "./ledger.ts";
import { outputFiles, type Plan, type PlannedRun, runName } from "./plan.ts";
import { isPublishedModel, leftOutNote, publishedFor, publishedNote } from "./published.ts";
import { type RecipeName, recipes } from "./recipes.ts";
import { serverText } from "../loaded-server.ts";
import { seriesName } from "./text.ts";

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What was sent in each run: the lengths are those really drawn. */
export function loadTable(plan: Plan, { done }: Ledger): Table {
  const several = plan.series.length > 1;
  const rows = plan.series.flatMap((series) =>
    series.runs.map((run) => {
      const who = several ? [series.system, series.model] : [];
      return [...who, runName(run), ...loadCells(run, done.get(run))];
    }),
  );
  const load = ["data set", "rate", "prompts", "input len", "output len", "seconds", "failed"];
  return {
    title: "What was sent",
    head: [...(several ? ["system", "model"] : []), "run", ...load],
    rows,
  };
}

function loadCells({ options }: PlannedRun, line: Fields | undefined): string[] {
  const rate = rateText(options.requestRate);
  if (!line) return ["not run", rate, String(options.numPrompts), "", "", "", ""];
  const range = (what: string): string => {
    const [min, max] = [numberOf(line, `min_${what}_len`), numberOf(line, `max_${what}_len`)];
    return min === null || max === null ? "-" : rangeText({ min, max });
  };
  return [
    textOf(line, "dataset_source") ?? "-",
    rate,
    String(numberOf(line, "planned") ?? "-"),
    range("input"),
    range("output"),
    numberText(numberOf(line, "duration")),
    String(failuresOf(line)?.failed ?? "-"),
  ];
}

const figureTitles: Readonly<Record<RecipeName, string>> = {
  offline: "Output token/s",
  online: "Median end-to-end latency in seconds",
};

export const comparisonTitle = ({ recipe, model }: Comparison): string =>
  `${figureTitles[recipe]}: ${model}`;

export const columnName = ({ name, published }: Column): string =>
  published ? `${name} (published)` : name;

export function comparisonTable(comparison: Comparison): Table {
  const { columns: all, runs } = comparison;
  return {
    title: comparisonTitle(comparison),
    head: ["run", ...all.map(columnName)],
    rows: runs.map((run, i) => [loadName(run), ...all.map((column) => cell(column, i))]),
  };
}

/** "online 3, 4 req/s". */
function loadName(run: PlannedRun): string {
  const { perSecond } = run.options.requestRate;
  return perSecond === Infinity ? runName(run) : `${runName(run)}, ${perSecond} req/s`;
}

/** A published figure with the digits that it was published with. */
function cell({ figures, failed, published }: Column, i: number): string {
  const value = figures[i]!;
  if (published) return value === null ? "left out" : String(value);
  const failures = failed[i]! > 0 ? ` (${failed[i]} failed)` : "";
  return numberText(value) + failures;
}

/** "1 % of the prompts". */
export const scaleText = (scale: number): string => `${Number((100 * scale).toPrecision(3))} %`;

/** What a reader must know of the figures. */
export function notesOf({ scale }: Plan, comparisons: readonly Comparison[]): string[] {
  const models = [...new Set(comparisons.map(({ model }) => model))];
  const others = models.filter((model) => !isPublishedModel(model));
  const leftOut = comparisons.some(({ columns: all }) =>
    all.some(({ published, figures }) => published && figures.includes(null)),
  );
  return [
    ...new Set(models.map((model) => publishedNote(publishedFor(model)))),
    ...(leftOut ? [leftOutNote] : []),
    ...(others.length > 0
      ? [
          `${others.join(", ")} is not a model of the comparison: beside the published figures it shows the procedure only.`,
        ]
      : []),
    ...(scale === 1
      ? []
      : [
          `Each run had ${scaleText(scale)} of the published number of prompts: ` +
            "full batches and long queues, which the published figures are of, form with all of them only.",
        ]),
  ];
}

const tableText = ({ title, head, rows }: Table): string => `\n${title}\n${columns(head, rows)}`;

/** The end, in a terminal: the tables, and what the published pipelines print. */
export function summaryText(plan: Plan, ledger: Ledger): string {
  const comparisons = comparisonsOf(plan, ledger);
  return [
    tableText(loadTable(plan, ledger)),
    ...comparisons.map((comparison) => tableText(comparisonTable(comparison))),
    "\n",
    ...notesOf(plan, comparisons).map((note) => `${note}\n`),
    ...pipelines(plan, ledger).map((text) => `\n${text}`),
  ].join("");
}

/** The published way to read each file, and what it gives. */
function pipelines(plan: Plan, { done, lines }: Ledger): string[] {
  const runs = plan.series.flatMap((series) => series.runs);
  return outputFiles(plan).flatMap((file) => {
    const here = runs.filter((run) => run.outputFile === file);
    const all = lines.get(file) ?? [];
    const others = all.length - here.filter((run) => done.has(run)).length;
    return [...new Set(here.map(({ recipe }) => recipe))].map((recipe) => {
      const { field } = recipes[recipe];
      const cut = all.map((line) => (line.split(":")[field - 1] ?? line).split(",")[0]);
      return [
        `$ cat ${shellWord(file)} | cut -d':' -f${field} | cut -d',' -f1`,
        ...cut,
        ...(others > 0 ? [`(${others} of the lines are of other runs than those asked for.)`] : []),
        "",
      ].join("\n");
    });
  });
}

/** The same tables to paste, and the commands. */
export function markdownText(plan: Plan, ledger: Ledger): string {
  const comparisons = comparisonsOf(plan, ledger);
  const tables = [...comparisons.map(comparisonTable), loadTable(plan, ledger)];
  const commands = plan.series.map((series) =>
    [
      `### ${seriesName(series)}`,
      "```sh",
      ...(series.server.kind === "running"
        ? [`# runs at ${serverText(series.server)}`]
        : [serverText(series.server)]),
      ...series.runs.map((run) => `${runCommand(series, run)}  # ${runName(run)}`),
      "```",
    ].join("\n"),
  );
  return [
    "# SGLang v0.2's comparison, reproduced",
    ...tables.map(markdownTable),
    ...notesOf(plan, comparisons),
    "## Commands",
    ...commands,
    "",
  ].join("\n\n");
}

function markdownTable({ title, head, rows }: Table): string {
  const right = head.map((_, i) => i > 0);
  return `## ${title}\n\n${markdown(head, rows, right).trimEnd()}`;
}
