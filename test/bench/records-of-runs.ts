/** A run in a process of its own, for tests that end it: `bun records-of-runs.ts PORT RECORDS OUTPUT PROMPTS`. */
import { defaultOptions, runBench } from "../../src/bench/index.ts";
import { captureIo } from "./support.ts";

const [port, recordsFile, outputFile, numPrompts] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const io = captureIo();
process.on("SIGINT", () => io.controller.abort());
const { exitCode } = await runBench(
  {
    ...defaultOptions,
    host: "127.0.0.1",
    port: Number(port),
    datasetName: "random-ids",
    numPrompts: Number(numPrompts),
    randomInputLen: 8,
    randomOutputLen: 4,
    randomRangeRatio: 1,
    requestRate: { perSecond: 200, integer: false },
    recordsFile,
    outputFile,
  },
  io,
);
process.stdout.write(io.err());
process.exit(exitCode);
