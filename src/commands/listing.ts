/** Makes the listing that results and table show of the runs they were asked for. */
import { grouped } from "../bench/results/choice.ts";
import { type Column, type ListedRun, parseColumn } from "../bench/results/columns.ts";
import { type Listing, usualColumns } from "../bench/results/listing.ts";
import { UsageError } from "../user-error.ts";
import { named } from "./named.ts";
import type { ColumnValues } from "./selection.ts";

const listOf = (text: string | null): string[] =>
  (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** @param baseline The run that --diff names, which may be among the runs. */
export function listingOf(
  runs: readonly ListedRun[],
  values: ColumnValues,
  baseline: ListedRun | null = null,
): Listing {
  const parse = (text: string): Column => parseColumn(text, runs);
  const by = listOf(values.groupBy).map((text) => named("--group-by", () => parse(text)));
  const all = baseline && !runs.some((run) => isSame(run, baseline)) ? [baseline, ...runs] : runs;
  const rows = by.length > 0 ? grouped(all, by) : all.map((run) => [run]);
  return {
    columns: columnsOf(all, values, by, parse),
    rows,
    by,
    baseline: baseline && (rows.find((row) => row.some((run) => isSame(run, baseline))) ?? null),
  };
}

const isSame = (a: ListedRun, b: ListedRun): boolean =>
  a.saved === b.saved || (a.id !== null && a.id === b.id);

function columnsOf(
  runs: readonly ListedRun[],
  values: ColumnValues,
  by: readonly Column[],
  parse: (text: string) => Column,
): Column[] {
  const asked = listOf(values.columns);
  const usual = usualColumns(runs, by, parse);
  if (asked.length === 0) return usual;
  const find = (text: string): Column => named("--columns", () => parse(text.replace(/^\+/, "")));
  const added = asked.filter((text) => text.startsWith("+"));
  if (added.length > 0 && added.length < asked.length) {
    throw new UsageError(
      "--columns: begin all names with + to add them to the usual columns, or none",
    );
  }
  const columns = asked.map(find);
  if (added.length > 0) return unique([...usual, ...columns]);
  return unique([...(by.length > 0 ? by : [parse("run")]), ...columns]);
}

const unique = (columns: readonly Column[]): Column[] => [
  ...new Map(columns.map((column) => [column.name, column])).values(),
];
