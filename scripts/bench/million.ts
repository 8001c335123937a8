/**
 * A million requests, twice, and a tenth of that before, from the built program to its own mock over kept connections,
 * with records; then the page of a run and the comparison of two. Prints docs/results/million.md.
 *
 *   scripts/bench/million [--requests N]
 *
 * Takes some five minutes and a gigabyte of disk.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseFields } from "../../src/bench/results/lines.ts";
import { header } from "./report.ts";
import { mib } from "./server-process.ts";

const { values } = parseArgs({ options: { requests: { type: "string", default: "1000000" } } });
const requests = Number(values.requests);
const streams = 128;
const program = join(import.meta.dir, "../../dist/servebench");
const folder = mkdtempSync(join(tmpdir(), "servebench-million-"));
const path = (name: string): string => join(folder, name);

/** What a command took, from its start to its end. */
interface Cost {
  readonly seconds: number;
  readonly cpuS: number;
  readonly peakBytes: number;
}

function cost(words: readonly string[]): Cost {
  const startMs = performance.now();
  const { exitCode, stderr, resourceUsage } = Bun.spawnSync([program, ...words]);
  if (exitCode !== 0) throw new Error(`${words[0]} ended with ${exitCode}: ${stderr.toString()}`);
  return {
    seconds: (performance.now() - startMs) / 1000,
    cpuS: Number(resourceUsage.cpuTime.total) / 1e6,
    peakBytes: resourceUsage.maxRSS,
  };
}

const filesOf = (name: string) => ({
  output: path(`${name}.jsonl`),
  records: path(`${name}.records.jsonl`),
});

function bench(baseUrl: string, name: string, count: number): Cost {
  const { output, records } = filesOf(name);
  const flags =
    `bench --base-url ${baseUrl} --model preset:tiny --tokenizer preset:tiny --dataset-name random --num-prompts ${count} ` +
    `--random-input 16 --random-output 1 --max-concurrency ${streams} --connection keep-alive`;
  return cost([...flags.split(" "), "--output-file", output, "--records", records]);
}

function runRow(name: string, count: number, { seconds, cpuS, peakBytes }: Cost): string {
  const { output, records } = filesOf(name);
  const fields = parseFields(readFileSync(output, "utf8"))!;
  const number = (key: string): number => fields[key] as number;
  if (number("completed") !== count)
    throw new Error(`${number("completed")} of ${count} completed`);
  const cells = [
    `bench, ${count} requests`,
    seconds.toFixed(0),
    cpuS.toFixed(0),
    mib(peakBytes),
    `${number("request_throughput").toFixed(0)} req/s in ${number("duration").toFixed(0)} s; records of ${mib(statSync(records).size)} MiB`,
  ];
  return `| ${cells.join(" | ")} |`;
}

function readRow(name: string, { seconds, cpuS, peakBytes }: Cost, made: string): string {
  return `| ${[name, seconds.toFixed(1), cpuS.toFixed(1), mib(peakBytes), made].join(" | ")} |`;
}

async function measure(baseUrl: string): Promise<readonly string[]> {
  const tenth = bench(baseUrl, "tenth", requests / 10);
  const [before, after] = [bench(baseUrl, "before", requests), bench(baseUrl, "after", requests)];
  const [a, b] = [filesOf("before"), filesOf("after")];
  const page = path("page.html");
  const report = cost(["report", a.output, "--records", a.records, "-o", page]);
  const compare = cost([
    "compare",
    a.output,
    b.output,
    "--records",
    a.records,
    "--records",
    b.records,
  ]);
  const pageText = `a page of ${(statSync(page).size / 1024).toFixed(0)} KiB`;
  return [
    "| command | seconds | CPU s | peak memory MiB | |",
    "|---|---|---|---|---|",
    runRow("tenth", requests / 10, tenth),
    runRow("before", requests, before),
    runRow("after", requests, after),
    readRow(`report, records of ${requests}`, report, pageText),
    readRow(`compare, records of twice ${requests}`, compare, "intervals by bootstrap"),
  ];
}

const mock = Bun.spawn([program, "mock", "--port", "0", "--ttft", "0", "--tokens", "1"], {
  stdout: "pipe",
});
try {
  const { value } = await mock.stdout.getReader().read();
  const baseUrl = /http:\S+/.exec(new TextDecoder().decode(value))![0];
  const rows = await measure(baseUrl);
  console.log(`# A million requests

${header("scripts/bench/million")} ${streams} requests at a time go from the built program to \`servebench mock\`
(first token at once, one token each) over kept connections, prompts of \`random\` of up to 16 tokens; client and mock share the
machine. They are sent flat out, so the client's main thread, which takes, counts and writes what has ended, is the limit, and the runs
say so: INVALID. Peak memory is the whole process's, as the kernel counts it; of it a request takes 77 bytes of measurements and 16 of
lengths and times. The rest is the program, the corpus while prompts are made, and what waits to be counted or collected.

${rows.join("\n")}`);
} finally {
  mock.kill();
  rmSync(folder, { recursive: true });
}
