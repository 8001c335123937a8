/** Runs, or groups of them, as rows of a table: as text for people and as data for programs. */
import { type Colour, paint, type TerminalStyle } from "../../terminal/style.ts";
import type { TableSpec } from "../../terminal/table.ts";
import { compareRuns, type Difference, type Pair } from "../compare/compare.ts";
import { repeated } from "../statistics/student.ts";
import {
  type Column,
  figureColumn,
  type ListedRun,
  nameColumn,
  type Value,
  valueText,
} from "./columns.ts";
import { parseFigure } from "./figures.ts";
import { loadParts } from "./configuration.ts";
import { failuresText } from "./lines.ts";
import { numberText } from "./number-text.ts";

/** A run, or a group of runs that are told together. */
export type Row = readonly ListedRun[];

export interface Listing {
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** Columns that make the groups; none: each row is a run. */
  readonly by: readonly Column[];
  /** With it, each row's figures are told with their change from this one. */
  readonly baseline: Row | null;
}

/** What is listed if nothing is asked for, in order; those of which no run has anything are left out. */
const usualNames = (
  "session at system dataset request_rate concurrency completed error_rate output_throughput ttft_p50 ttft_p99 " +
  "tpot_p50 e2e_p50 note"
).split(" ");
/** The first to give way where a terminal is narrow. */
const givesWay =
  "at dataset completed concurrency tpot_p50 note system e2e_p50 session ttft_p50 error_rate".split(
    " ",
  );
const usualFigures = usualNames.filter((name) =>
  /^(?:error_rate|output_throughput|\w+_p\d+)$/.test(name),
);

/** @param parse Finds a column by its name. */
export function usualColumns(
  runs: readonly ListedRun[],
  by: readonly Column[],
  parse: (name: string) => Column,
): Column[] {
  const figures = usualFigures.map((name) => figureColumn(parseFigure(name)));
  if (by.length > 0) return [...by, ...figures.filter((column) => says(column, runs))];
  return [nameColumn, ...usualNames.map(parse).filter((column) => says(column, runs))];
}

function says({ name, of }: Column, runs: readonly ListedRun[]): boolean {
  const values = new Set(runs.map(of));
  if (name === "session") return values.size > 1;
  if (name === "error_rate") return [...values].some((value) => value !== null && value !== 0);
  return [...values].some((value) => value !== null);
}

/** @param mayDrop Whether columns give way to a narrow terminal. */
export function listingTable(
  listing: Listing,
  style: TerminalStyle,
  { frame, mayDrop }: { frame: TableSpec["frame"]; mayDrop: boolean },
): TableSpec & { readonly names: readonly string[] } {
  const { columns, by, rows } = listing;
  const told = by.length > 0 ? withCount(listing) : columns;
  const differences = rows.map((row) => differencesOf(listing, row));
  const names = told.map(({ name }) => name);
  return {
    names,
    head: told.map(({ label, unit }) => {
      const lines = [label, ...(unit === "" ? [] : [`(${unit})`])];
      return lines.map((line) => paint(line, "bold", style)).join("\n");
    }),
    rows: rows.map((row, i) =>
      told.map((column) => cell(listing, column, row, differences[i]!, style)),
    ),
    right: told.map((column) => rows.flat().some((run) => typeof column.of(run) === "number")),
    frame,
    ...(mayDrop
      ? { droppable: givesWay.map((name) => names.indexOf(name)).filter((i) => i > 0) }
      : {}),
  };
}

const countColumn: Column = { name: "runs", label: "runs", unit: "", figure: null, of: () => null };

/** How many runs a group has, after what makes it. */
function withCount({ columns, by }: Listing): Column[] {
  const last = columns.findLastIndex((column) => by.some(({ name }) => name === column.name));
  return columns.toSpliced(last + 1, 0, countColumn);
}

/** From the baseline, by the figure's name. */
type Differences = ReadonlyMap<string, Difference>;

/** null: the two hold several loads, which are not compared as one. */
function comparedWith(baseline: Row, row: Row, columns: readonly Column[]): Pair | null {
  const figures = columns.flatMap(({ figure }) => figure ?? []);
  const saved = (runs: Row) => runs.map((run) => run.saved);
  const { pairs, onlyA, onlyB } = compareRuns(saved(baseline), saved(row), new Map(), figures);
  return pairs.length === 1 && onlyA.length + onlyB.length === 0 ? pairs[0]! : null;
}

function differencesOf({ baseline, columns }: Listing, row: Row): Differences {
  const pair = baseline && row !== baseline ? comparedWith(baseline, row, columns) : null;
  return new Map(pair?.differences.map((found) => [found.figure.name, found]));
}

function cell(
  { baseline }: Listing,
  column: Column,
  row: Row,
  differences: Differences,
  style: TerminalStyle,
): string {
  if (column === countColumn) return String(row.length);
  const text = rowText(column, row);
  if (!column.figure || !baseline) return text;
  const found = differences.get(column.figure.name);
  return `${text} ${found ? changeText(found, style) : " ".repeat(changeWidth)}`;
}

const verdictColours: Readonly<Record<Difference["verdict"], Colour | null>> = {
  better: "green",
  worse: "red",
  same: "dim",
  unknown: null,
};
const verdictMarks = { better: "*", worse: "!", same: " ", unknown: "?" } as const;

const changeWidth = "+12.3 %*".length;

/** "+12.3 %*"; failed requests in points. */
function changeText({ figure, a, change, verdict }: Difference, style: TerminalStyle): string {
  const points = figure.kind === "errors";
  const amount = points ? change : (100 * change) / a;
  const digits = Math.abs(amount) < 99.95 ? 1 : 0;
  const text = Number.isFinite(amount)
    ? `${amount >= 0 ? "+" : ""}${amount.toFixed(digits)}${points ? " pt" : " %"}${verdictMarks[verdict]}`
    : "";
  const colour = verdictColours[verdict];
  const padded = text.padStart(changeWidth);
  return colour ? paint(padded, colour, style) : padded;
}

const nameOf = (row: Row): string =>
  row.length === 1 ? row[0]!.name : `the group of ${row[0]!.name}`;

/** How changes are to be read, and which of them are no fair ones. */
export function changesExplained({ baseline, rows, columns }: Listing): string[] {
  if (!baseline) return [];
  const others = rows.filter((row) => row !== baseline);
  const pairs = others.map((row) => comparedWith(baseline, row, columns));
  const unlike = others.flatMap((row, i) => {
    // Who was measured is often the question; what of, should be the same.
    const parts = loadParts.filter((part) => pairs[i]?.mismatches.some((one) => one.part === part));
    return parts.length > 0 ? [`${nameOf(row)} (${parts.join(", ")})`] : [];
  });
  const mixed = others.filter((_, i) => pairs[i] === null).map(nameOf);
  return [
    `Changes are from ${nameOf(baseline)}: * better, ! worse beyond chance (95 %); ? nothing is known about chance; no mark: chance ` +
      "explains it.",
    ...(unlike.length > 0 ? [`Not under the same load: ${unlike.join(", ")}.`] : []),
    ...(mixed.length > 0
      ? [
          `Not compared, since several loads are in one group: ${mixed.join(", ")}; group by request_rate, too.`,
        ]
      : []),
  ];
}

/** The value of a run; of several, what they agree in, the mean of a figure with its 95 % interval, or the range. */
function rowText(column: Column, row: Row): string {
  const values = row.map(column.of);
  if (new Set(values).size === 1) return valueText(values[0]!, column);
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length === 0) return `${new Set(values).size} different`;
  if (!column.figure) {
    return `${valueText(Math.min(...numbers), column)}..${valueText(Math.max(...numbers), column)}`;
  }
  const { mean, interval } = repeated(numbers);
  return numberText(mean) + (interval ? ` ±${numberText(interval[1] - mean)}` : "");
}

/** What to know of runs before their figures, a sentence each. */
export function warnings({ rows }: Listing): string[] {
  return rows.flat().flatMap(({ name, saved: { fields } }) => {
    const reasons = Array.isArray(fields["invalid_reasons"]) ? fields["invalid_reasons"] : [];
    return [
      ...(failuresText(fields) === null ? [] : [`${name}: ${failuresText(fields)}`]),
      ...(fields["interrupted"] === true ? [`${name}: interrupted.`] : []),
      ...(fields["valid"] === false
        ? [
            `${name}: marked invalid when it was measured${reasons.length > 0 ? `: ${reasons.join("; ")}` : ""}.`,
          ]
        : []),
    ];
  });
}

/** Names of columns, and values as they are; the mean of a group's figure. */
export function listingData(listing: Listing): {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Value[])[];
} {
  const { columns, by, rows } = listing;
  const told = by.length > 0 ? withCount(listing) : columns;
  return {
    names: told.map(({ name }) => name),
    rows: rows.map((row) => told.map((column) => dataOf(column, row))),
  };
}

function dataOf(column: Column, row: Row): Value {
  if (column === countColumn) return row.length;
  const values = row.map(column.of);
  if (new Set(values).size === 1) return values[0]!;
  const numbers = values.filter((value) => typeof value === "number");
  return numbers.length === values.length && column.figure
    ? repeated(numbers).mean
    : rowText(column, row);
}
