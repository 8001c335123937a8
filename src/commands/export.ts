/** `servebench export`: runs of the store as files again. */
import { existsSync } from "node:fs";
import { exitCode } from "../exit-code.ts";
import { UsageError, UserError } from "../user-error.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { choiceFlag, switchFlag, textFlag, type FlagValues } from "./flags.ts";
import { orderFlags, selectionFlags, selectionWords } from "./selection.ts";
import { writeFile } from "./write-file.ts";

const flags = {
  ...selectionFlags,
  ...orderFlags,
  output: textFlag("The file of the runs: result lines, or CSV if its name ends in .csv.", {
    placeholder: "FILE",
    aliases: ["o"],
  }),
  format: choiceFlag("What the file holds, whatever its name.", ["jsonl", "csv"]),
  records: textFlag(
    "Also write the records of their requests, as bench --records does, into this file.",
    {
      placeholder: "FILE",
    },
  ),
  force: switchFlag("Replace files that exist."),
};
type Values = FlagValues<typeof flags & typeof selectionWords>;

export const exportCommand = defineCommand({
  name: "export",
  aliases: ["save"],
  summary: "write runs and their records into files",
  description:
    "Writes runs of the store as result lines, which compare, report, import and bench_serving's scripts read, or as CSV with " +
    "a column for each key; and the records of their requests. Files that exist are not touched without --force.",
  examples: [
    {
      line: "servebench export r3 -o r3.jsonl --records r3.records.jsonl",
      says: "one run, to send to somebody",
    },
    {
      line: "servebench export --session tuning -o tuning.csv",
      says: "a session, for a spreadsheet",
    },
  ],
  words: selectionWords,
  flags,
  run: runExport,
});

async function runExport(values: Values, io: CommandIo): Promise<number> {
  const { output, records } = values;
  if (output === null && records === null) {
    throw new UsageError(
      "say where to: --output FILE for the runs, --records FILE for their requests",
    );
  }
  for (const [flag, file] of [
    ["--output", output],
    ["--records", records],
  ] as const) {
    if (file !== null && !values.force && existsSync(file)) {
      throw new UserError(
        `${flag}: '${file}' exists; choose another name, or give --force to replace it.`,
      );
    }
  }
  const { RunFinder } = await import("./stored-runs.ts");
  const finder = new RunFinder(io);
  try {
    const runs = finder.select(values);
    if (runs.length === 0) throw new UserError("no run meets that; servebench results lists them.");
    if (output !== null) {
      const isCsv = (values.format ?? (output.endsWith(".csv") ? "csv" : "jsonl")) === "csv";
      const { resultLines, resultsCsv } = await import("../bench/results/exported.ts");
      writeFile("--output", output, isCsv ? resultsCsv(runs) : resultLines(runs));
      io.stdout(`${output}: ${runs.length} ${runs.length === 1 ? "run" : "runs"}\n`);
    }
    if (records !== null) {
      const texts = runs.flatMap(({ id }) => (id === null ? [] : (finder.store.records(id) ?? [])));
      if (texts.length === 0)
        throw new UserError("--records: no run has records of its requests in the store.");
      writeFile("--records", records, texts.join(""));
      io.stdout(`${records}: the requests of ${texts.length} of ${runs.length} runs\n`);
    }
  } finally {
    finder.close();
  }
  return exitCode.success;
}
