/** `servebench report`: runs as one page to read, print and keep. */
import { defineCommand, type CommandIo } from "./command.ts";
import { runWords, selectionFlags } from "./selection.ts";
import { writeFile } from "./write-file.ts";
import { required, restOf, textFlag, textListFlag, type FlagValues } from "./flags.ts";

const words = {
  run: required(restOf(textListFlag(runWords, { placeholder: "RUN|FILE.jsonl..." }))),
};

const flags = {
  output: textFlag("Where the page goes.", {
    default: "report.html",
    placeholder: "FILE",
    aliases: ["o"],
  }),
  records: textListFlag(
    "Records of requests (bench --records) of runs in files; may be repeated. Each line finds its own; runs of the store have " +
      "theirs. With them there are distributions, timelines, and error bars of single runs.",
    { placeholder: "FILE" },
  ),
  session: selectionFlags.session,
  title: textFlag("Heading; what the runs have in common if not given."),
};
type Values = FlagValues<typeof flags & typeof words>;

export const report = defineCommand({
  name: "report",
  summary: "runs as one HTML page: tables, curves, distributions",
  description:
    "Makes one HTML page that needs neither network nor script: a table of the runs, latency and throughput by rate or " +
    "concurrency with error bars where several were run, distributions of TTFT, ITL, TPOT and end-to-end latency, throughput " +
    "and requests in flight over time, each request as a bar, repeated runs together, the commands and all fields. " +
    "It reads well in light, in dark and on paper.",
  examples: [
    {
      line: "servebench bench --output-file run.jsonl --records run.records.jsonl",
      says: "a run that keeps the records of its requests",
    },
    {
      line: "servebench report run.jsonl --records run.records.jsonl -o run.html",
      says: "its page",
    },
    { line: "servebench report sweep.jsonl -o sweep.html", says: "curves of a sweep" },
    { line: "servebench report r3 r5", says: "two runs that the session has kept" },
  ],
  words,
  flags,
  run: runReport,
});

async function runReport(values: Values, io: CommandIo): Promise<number> {
  const { chosenResults } = await import("./stored-runs.ts");
  const { reportPage } = await import("../bench/report/html/page.ts");
  const { chosen, records, notes } = chosenResults(values.run, values, io);
  for (const note of notes) io.stderr(`${note}\n`);
  const page = reportPage(chosen.flat(), records, { title: values.title, now: new Date() });
  writeFile("--output", values.output, page);
  const size = (page.length / 1024).toFixed(0);
  const runs = chosen.flat().length;
  io.stdout(`${values.output}: ${runs} run${runs > 1 ? "s" : ""}, ${size} KiB\n`);
  return 0;
}
