/** `servebench import`: takes runs of files into the store. */
import { exitCode } from "../exit-code.ts";
import { defineCommand } from "./command.ts";
import { required, restOf, textFlag, textListFlag } from "./flags.ts";

const words = {
  file: required(
    restOf(
      textListFlag("Result lines, as bench --output-file and bench_serving write them.", {
        placeholder: "FILE.jsonl...",
      }),
    ),
  ),
};

const flags = {
  records: textListFlag(
    "Records of requests (bench --records); may be repeated. Each line finds its own, and they are kept with it.",
    { placeholder: "FILE" },
  ),
  session: textFlag("The session that gets the runs; a new one is made.", {
    default: "imported",
    placeholder: "NAME",
  }),
  system: textFlag("The server's name; what the lines say if not given.", { placeholder: "NAME" }),
};

export const importCommand = defineCommand({
  name: "import",
  summary: "take result files and records into the store",
  description:
    "Adds the runs of result files to the store, with their records of requests if these are named. A line that " +
    "the session already has is not added again, so a file that grows may be imported as often as you like.",
  examples: [
    {
      line: "servebench import run.jsonl --records run.records.jsonl",
      says: "into the session 'imported'",
    },
    {
      line: "servebench import sglang_online_benchmark.jsonl --session published --system sglang",
      says: "runs of bench_serving, named by their server",
    },
  ],
  words,
  flags,
  run: async (values, io) => {
    const { openStore } = await import("./stored-runs.ts");
    const { keepRuns } = await import("./keep.ts");
    const store = openStore(io);
    try {
      const before = store.runs({ session: values.session }).length;
      for (const file of values.file) {
        const { runs, notes } = keepRuns(store, file, values.records, {
          session: values.session,
          system: values.system,
        });
        for (const note of notes) io.stderr(`${note}\n`);
        const labels = runs.map(({ label }) => label);
        const told = labels.length > 4 ? `${labels[0]} to ${labels.at(-1)}` : labels.join(", ");
        io.stdout(`${file}: ${told} in session ${values.session}\n`);
      }
      const added = store.runs({ session: values.session }).length - before;
      io.stdout(`${added} new ${added === 1 ? "run" : "runs"}\n`);
    } finally {
      store.close();
    }
    return exitCode.success;
  },
});
