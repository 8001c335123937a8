/** Which runs a command is about: words and flags that results, table, plot and export share. */
import { intFlag, textFlag, textListFlag, type FlagValues } from "./flags.ts";

export const runWords =
  "Runs: labels (r3, before), SESSION/LABEL, r2..r5, last; or files of result lines, as bench --output-file writes them.";

export const selectionWords = {
  run: textListFlag(`${runWords} All of the store if none is given.`, {
    placeholder: "[RUN|FILE.jsonl...]",
  }),
};

export const selectionFlags = {
  where: textListFlag(
    "A condition; may be repeated, then all must hold. COLUMN and one of = != < <= > >= and a value, or ~ for a part " +
      'of a text: "request_rate>=4", "ttft_p99<0.2s", "note~fix", "concurrency=none".',
    { placeholder: "CONDITION" },
  ),
  system: textFlag("Runs of this server only, by its name or address.", { placeholder: "NAME" }),
  dataset: textFlag("Runs of this data set only.", { placeholder: "NAME" }),
  session: textFlag("Runs of this session only. Labels are looked for in it first.", {
    placeholder: "NAME",
  }),
  last: intFlag("Only the newest so many of what is left.", { min: 1 }),
};

export const orderFlags = {
  sort: textFlag(
    "Columns to sort by, with commas; a dash before one for the greatest first: --sort=-output_throughput.",
    { placeholder: "COLUMNS" },
  ),
};

export const columnFlags = {
  columns: textFlag(
    "Columns to show, with commas: facts (at, system, dataset, request_rate), figures (ttft_p99, output_throughput), " +
      "or any key of a result line (client.cpu_share). One that begins with + is added to the usual ones.",
    { placeholder: "COLUMNS" },
  ),
  "group-by": textFlag(
    "One row for all runs that agree in these columns, with means and their 95 % intervals.",
    { placeholder: "COLUMNS" },
  ),
};

export const recordsFlags = {
  records: textListFlag(
    "Records of requests (bench --records) of runs in files; may be repeated. Runs of the store have their own.",
    { placeholder: "FILE" },
  ),
};

export type SelectionValues = FlagValues<typeof selectionFlags & typeof selectionWords>;
export type OrderValues = FlagValues<typeof orderFlags>;
export type ColumnValues = FlagValues<typeof columnFlags>;
