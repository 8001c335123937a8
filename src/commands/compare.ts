/** `servebench compare`: what changed between two runs, and whether it may be chance. */
import { exitCode } from "../exit-code.ts";
import { figureNames } from "../bench/results/figures.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { named } from "./named.ts";
import { runWords, selectionFlags } from "./selection.ts";
import { required, switchFlag, textFlag, textListFlag, type FlagValues } from "./flags.ts";

const words = {
  a: required(
    textFlag(`What to compare with. ${runWords}`, {
      placeholder: "A",
    }),
  ),
  b: required(textFlag("What to judge.", { placeholder: "B" })),
};

const flags = {
  records: textListFlag(
    "Records of requests (bench --records) of files; may be repeated. Each line finds its own by the figures; runs of the " +
      "store have theirs. With them a single run has intervals.",
    { placeholder: "FILE" },
  ),
  session: selectionFlags.session,
  "fail-on": textListFlag(
    "A gate; may be repeated. FIGURE<CHANGE or FIGURE>CHANGE is the change from A to B that makes the exit code 3: " +
      '"output_throughput<-5%", "ttft_p99>20ms", "error_rate>1%" (points). The word regression: any figure worse ' +
      `beyond chance. Figures: ${figureNames}.`,
    { placeholder: "CONDITION" },
  ),
  strict: switchFlag("Gates fail also on changes that chance explains."),
  json: switchFlag("The comparison as one JSON object instead of a table."),
};
type Values = FlagValues<typeof flags & typeof words>;

export const compare = defineCommand({
  name: "compare",
  summary: "what changed between runs, with confidence and gates",
  description:
    "Matches the runs of A and B by data set, lengths, rate, concurrency, model and backend, and prints how each " +
    "figure changed with its 95 % interval: from several runs of a side (Welch's t), else from records of requests " +
    "(block bootstrap), else from the intervals that lines hold. Where there is nothing of it, it says so. Without --fail-on a " +
    "difference never changes the exit code; a run in which all requests failed is exit code 1. A change beyond a gate's " +
    "limit fails it unless chance explains the change (its interval holds 0); where nothing is known about chance it fails.",
  examples: [
    { line: "servebench compare before.jsonl after.jsonl", says: "the table, for people" },
    { line: "servebench compare r3 r5", says: "the same of runs that the session has kept" },
    {
      line: 'servebench compare before.jsonl after.jsonl --records before.records.jsonl --records after.records.jsonl --fail-on "ttft_p99>10%"',
      says: "exit code 3 if the 99th percentile of TTFT has grown by over a tenth",
    },
    {
      line: 'servebench compare main.jsonl branch.jsonl --fail-on regression --fail-on "error_rate>0%"',
      says: "for continuous integration, with several runs in each file",
    },
  ],
  words,
  flags,
  run: runCompare,
});

async function runCompare(values: Values, io: CommandIo): Promise<number> {
  const { anyAllFailed, compareRuns } = await import("../bench/compare/compare.ts");
  const { applyGates, parseGate } = await import("../bench/compare/gate.ts");
  const { comparisonJson, comparisonText } = await import("../bench/compare/text.ts");
  const { chosenResults } = await import("./stored-runs.ts");
  const gates = values.failOn.map((text) => named("--fail-on", () => parseGate(text)));
  const { chosen, records, notes } = chosenResults([values.a, values.b], values, io);
  for (const note of notes) io.stderr(`${note}\n`);
  const asked = gates.flatMap((gate) => (gate.kind === "change" ? [gate.figure] : []));
  const comparison = compareRuns(chosen[0]!, chosen[1]!, records, asked);
  const failed = anyAllFailed(comparison);
  // Figures of a run without a success are none, so no gate can be judged.
  const results = failed ? [] : applyGates(comparison, gates, values.strict);
  io.stdout(
    values.json
      ? `${JSON.stringify(comparisonJson(comparison, results))}\n`
      : comparisonText(comparison, results),
  );
  if (failed) {
    io.stderr("servebench compare: a run in which all requests failed cannot be compared.\n");
    return exitCode.failure;
  }
  if (results.some((result) => result.failed)) return exitCode.gate;
  if (comparison.pairs.length === 0 || (gates.length > 0 && comparison.onlyA.length > 0)) {
    io.stderr("servebench compare: runs of A have no counterpart in B.\n");
    return exitCode.failure;
  }
  return exitCode.success;
}
