/** `servebench results`: the runs that were kept, side by side. */
import { exitCode } from "../exit-code.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { textFlag, type FlagValues } from "./flags.ts";
import { columnFlags, orderFlags, selectionFlags, selectionWords } from "./selection.ts";

const flags = {
  ...selectionFlags,
  ...orderFlags,
  ...columnFlags,
  diff: textFlag(
    "Show how each figure changed from this run (with --group-by: from its group), in percent, and whether chance " +
      "explains it.",
    { placeholder: "RUN" },
  ),
};
type Values = FlagValues<typeof flags & typeof selectionWords>;

/** Without --last; a terminal's screen. */
const shownMax = 20;

export const results = defineCommand({
  name: "results",
  summary: "list, filter, group and compare the runs that were kept",
  description:
    "Lists runs of the store, where the session keeps each run with its command, machine and records of requests, or of " +
    "result files. The newest 20 unless you say which. On a narrow terminal columns are left out, and it says which; " +
    "--columns chooses. Changes by --diff come with what chance explains: from the intervals that lines hold, or from several " +
    "runs of a group (Welch's t).",
  examples: [
    { line: "servebench results", says: "the newest runs" },
    {
      line: 'servebench results --where "request_rate>=4" --sort ttft_p99',
      says: "runs at higher rates, the quickest first token first",
    },
    {
      line: "servebench results r3 r5 --diff r3",
      says: "how each figure of r5 changed from r3",
    },
    {
      line: "servebench results sweep.jsonl --group-by system,request_rate --columns ttft_p99,output_throughput",
      says: "means with 95 % intervals over repeated runs of a file",
    },
  ],
  words: selectionWords,
  flags,
  run: runResults,
});

async function runResults(values: Values, io: CommandIo): Promise<number> {
  const { RunFinder } = await import("./stored-runs.ts");
  const finder = new RunFinder(io);
  try {
    const runs = finder.select(values, values.run.length > 0 ? Infinity : shownMax);
    if (runs.length === 0) io.stdout(nothingText(values, finder.store.runs().length));
    else {
      const [baseline] = values.diff === null ? [] : finder.named([values.diff], values.session);
      const { listingOf } = await import("./listing.ts");
      await print(listingOf(runs, values, baseline), values, io);
      if (values.run.length === 0 && values.last === null && runs.length === shownMax) {
        const count = finder.select(values).length;
        if (count > shownMax)
          io.stdout(`The newest ${shownMax} of ${count} runs; --last ${count} shows all.\n`);
      }
    }
  } finally {
    finder.close();
  }
  return exitCode.success;
}

function nothingText({ run, where, system, dataset, session }: Values, stored: number): string {
  const asked = run.length > 0 || where.length > 0 || (system ?? dataset ?? session) !== null;
  if (asked && stored > 0) return "No run meets that.\n";
  return (
    "No runs are kept yet. The session (servebench without arguments) keeps those that it makes;\n" +
    "servebench import FILE.jsonl takes in those of bench --output-file.\n"
  );
}

async function print(
  listing: import("../bench/results/listing.ts").Listing,
  values: Values,
  io: CommandIo,
): Promise<void> {
  const { changesExplained, listingTable, warnings } = await import("../bench/results/listing.ts");
  const { fittedTable } = await import("../terminal/table.ts");
  const spec = listingTable(listing, io.output, {
    frame: "none",
    mayDrop: values.columns === null,
  });
  const { text, dropped } = fittedTable(spec, io.output);
  io.stdout(text);
  const notes = [
    ...warnings(listing),
    ...changesExplained(listing),
    ...(dropped.length > 0
      ? [
          `Left out for want of room: ${dropped.map((i) => spec.names[i]).join(", ")}; --columns chooses.`,
        ]
      : []),
  ];
  if (notes.length > 0) io.stdout(`\n${notes.join("\n")}\n`);
}
