/** `servebench table`: runs as a table for people, documents and programs. */
import { exitCode } from "../exit-code.ts";
import { UserError } from "../user-error.ts";
import type { TerminalStyle } from "../terminal/style.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { choiceFlag, textFlag, type FlagValues } from "./flags.ts";
import { columnFlags, orderFlags, selectionFlags, selectionWords } from "./selection.ts";
import { writeFile } from "./write-file.ts";

const flags = {
  ...selectionFlags,
  ...orderFlags,
  ...columnFlags,
  format: choiceFlag("How it is written.", ["text", "markdown", "csv", "json"], {
    default: "text",
  }),
  output: textFlag("Write it into this file instead of the screen; what it held is replaced.", {
    placeholder: "FILE",
    aliases: ["o"],
  }),
};
type Values = FlagValues<typeof flags & typeof selectionWords>;

export const table = defineCommand({
  name: "table",
  summary: "runs as a table: text, Markdown, CSV or JSON",
  description:
    "Makes a table of runs of the store or of result files. As text it keeps to the width of the terminal: few runs are " +
    "turned into columns, else columns are left out; into files and pipes it goes whole. CSV and JSON hold " +
    "values as they are, with columns named as --columns takes them.",
  examples: [
    { line: "servebench table", says: "all runs" },
    {
      line: "servebench table --session tuning --group-by request_rate --format markdown",
      says: "for a document: a row a rate, means and intervals",
    },
    {
      line: "servebench table sweep.jsonl --columns request_rate,ttft_p99,e2e_p99 --format csv -o sweep.csv",
      says: "for a spreadsheet",
    },
  ],
  words: selectionWords,
  flags,
  run: runTable,
});

async function runTable(values: Values, io: CommandIo): Promise<number> {
  const { RunFinder } = await import("./stored-runs.ts");
  const { listingOf } = await import("./listing.ts");
  const finder = new RunFinder(io);
  try {
    const runs = finder.select(values);
    if (runs.length === 0) throw new UserError("no run meets that; servebench results lists them.");
    const style =
      values.output === null ? io.output : { ...io.output, columns: null, colour: false };
    const text = await tableOf(listingOf(runs, values), values, style);
    if (values.output === null) io.stdout(text);
    else writeFile("--output", values.output, text);
  } finally {
    finder.close();
  }
  return exitCode.success;
}

async function tableOf(
  listing: import("../bench/results/listing.ts").Listing,
  { format, columns }: Values,
  style: TerminalStyle,
): Promise<string> {
  const { listingData, listingTable } = await import("../bench/results/listing.ts");
  const formats = await import("../bench/results/formats.ts");
  if (format === "csv") return formats.csv(listingData(listing));
  if (format === "json") return formats.json(listingData(listing));
  const asked = { frame: "box", mayDrop: columns === null } as const;
  if (format === "markdown") {
    const { head, rows, right } = listingTable(listing, { ...style, colour: false }, asked);
    return formats.markdown(head, rows, right!);
  }
  const { fittedTable } = await import("../terminal/table.ts");
  const spec = listingTable(listing, style, asked);
  const { text, dropped } = fittedTable(spec, style);
  if (dropped.length === 0) return text;
  const names = dropped.map((i) => spec.names[i]).join(", ");
  return `${text}Left out for want of room: ${names}; --columns chooses, --format csv has all.\n`;
}
