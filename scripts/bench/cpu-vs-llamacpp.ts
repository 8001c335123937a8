/**
 * The CPU engine beside llama.cpp: the same bf16 weights, the same threads, runs in turn, medians and their ratio.
 *
 *   LLAMA_CPP_BIN=DIR scripts/bench/cpu-vs-llamacpp [--rounds N] [--threads N] [--tests LIST] MODEL...
 *
 * MODEL is FOLDER=FILE.gguf, a Hugging Face folder and the same weights for llama.cpp, or preset:NAME: the preset's
 * shape with pseudo-random weights on both sides (the GGUF file is written to the temporary folder).
 * LIST: prompt,decode1,decode16,http (all of them if not given). Commands go to standard error, the table to standard
 * output.
 *
 * DIR holds llama-bench, llama-batched-bench and llama-server. From source, with the release that npm's node-llama-cpp
 * carries:
 *   npm i --ignore-scripts node-llama-cpp
 *   git clone node_modules/node-llama-cpp/llama/gitRelease.bundle llama.cpp && cd llama.cpp
 *   cmake -B build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
 *     -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF
 *   cmake --build build -j2 --target llama-bench llama-batched-bench llama-server     # LLAMA_CPP_BIN=build/bin
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseJson } from "../../src/bench/python-values.ts";
import { median } from "../../src/bench/statistics.ts";
import { writeGguf } from "./gguf.ts";

const streams = 16;
const httpTokens = { input: 256, output: 64 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: String(cpus().length) },
    tests: { type: "string", default: "prompt,decode1,decode16,http" },
  },
});
const { threads } = values;
const wanted = values.tests.split(",");
const bin = process.env["LLAMA_CPP_BIN"];
if (bin === undefined || positionals.length === 0) {
  console.error("usage: LLAMA_CPP_BIN=DIR scripts/bench/cpu-vs-llamacpp [flags] MODEL...");
  console.error("The head of scripts/bench/cpu-vs-llamacpp.ts says how to build llama.cpp.");
  process.exit(2);
}
const scratch = mkdtempSync(join(tmpdir(), "cpu-vs-llamacpp-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

interface Pair {
  readonly ours: string;
  readonly gguf: string;
}

function pairOf(model: string): Pair {
  if (model.startsWith("preset:")) {
    const gguf = join(scratch, `${model.slice("preset:".length)}.gguf`);
    writeGguf(gguf, model.slice("preset:".length));
    return { ours: model, gguf };
  }
  const [ours, gguf] = model.split("=");
  if (!ours || !gguf) throw new Error(`${model}: expected FOLDER=FILE.gguf or preset:NAME`);
  return { ours, gguf };
}

/** Clock ticks: of all processors when busy; of this process and the children it has waited for. */
function ticks(): { busy: number; own: number } {
  const all = readFileSync("/proc/stat", "utf8").split("\n")[0]!.split(/ +/).slice(1).map(Number);
  const own = readFileSync("/proc/self/stat", "utf8").split(") ")[1]!.split(" ").slice(11, 15);
  const [user, nice, system] = all as [number, number, number];
  return { busy: user + nice + system, own: own.map(Number).reduce((a, b) => a + b) };
}
const ticksPerS = 100;
const started = { ...ticks(), atMs: performance.now() };

/** What other processes took of the machine since the start, in percent. */
function othersPercent(): number {
  const { busy, own } = ticks();
  const capacity = (cpus().length * ticksPerS * (performance.now() - started.atMs)) / 1000;
  return (100 * (busy - started.busy - (own - started.own))) / capacity;
}

type Side = "servebench" | "llama.cpp";
/** Values by test, then by side, one a round. */
type Results = Map<string, Record<Side, number[]>>;

function record(results: Results, test: string, side: Side, value: number): void {
  const sides = results.get(test) ?? { servebench: [], "llama.cpp": [] };
  sides[side].push(value);
  results.set(test, sides);
}

const shown = new Set<string>();
function show(command: string, args: readonly string[]): void {
  const line = `$ ${[command, ...args].join(" ")}`;
  if (!shown.has(line)) console.error(line);
  shown.add(line);
}

/** Standard output of a command, line by line as JSON. */
function jsonLines(command: string, args: readonly string[]): Record<string, unknown>[] {
  show(command, args);
  const stdio = ["ignore", "pipe", "ignore"] as const;
  const text = execFileSync(command, args, { encoding: "utf8", stdio: [...stdio] });
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const engineTests: Readonly<Record<string, string>> = {
  prompt: "prompt:512",
  decode1: "decode:1:1:64",
  decode16: "decode:16:128:32",
};

function runEngine(results: Results, { ours }: Pair): void {
  const tests = wanted.filter((name) => name in engineTests);
  if (tests.length === 0) return;
  const names = tests.map((name) => engineTests[name]!);
  const lines = jsonLines("bun", [
    "scripts/bench/engine-speed.ts",
    ours,
    "--threads",
    threads,
    "--repeat",
    "1",
    ...names,
  ]);
  lines.forEach((line, i) => {
    record(results, tests[i]!, "servebench", (line["tokensPerS"] as number[])[0]!);
  });
}

function runLlamaBench(results: Results, { gguf }: Pair): void {
  if (wanted.includes("prompt") || wanted.includes("decode1")) {
    const lines = jsonLines(
      join(bin!, "llama-bench"),
      `-m ${gguf} -p 512 -n 64 -t ${threads} -fa 1 -r 1 -o jsonl`.split(" "),
    );
    record(results, "prompt", "llama.cpp", lines[0]!["avg_ts"] as number);
    record(results, "decode1", "llama.cpp", lines[1]!["avg_ts"] as number);
  }
  if (wanted.includes("decode16")) {
    const shape = `-c 2560 -b 2048 -ub 512 -npp 128 -ntg 32 -npl 16 -t ${threads} -tb ${threads}`;
    const [line] = jsonLines(
      join(bin!, "llama-batched-bench"),
      `-m ${gguf} ${shape} -fa on --output-format jsonl`.split(" "),
    );
    record(results, "decode16", "llama.cpp", line!["speed_tg"] as number);
  }
}

/** Starts a server, waits until /health answers, gives it to `body`, ends it. */
async function withServer(
  command: string,
  args: readonly string[],
  port: number,
  body: () => Promise<void>,
): Promise<void> {
  show(command, args);
  const server = spawn(command, args, { stdio: "ignore" });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  try {
    await untilHealthy(port, () => server.exitCode !== null);
    await body();
  } finally {
    server.kill("SIGTERM");
    await ended;
  }
}

async function untilHealthy(port: number, ended: () => boolean): Promise<void> {
  for (;;) {
    const reply = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null);
    if (reply?.ok) return;
    if (ended()) throw new Error("the server ended before it was ready");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Concurrent streams of fixed lengths; another seed each round, so that no prefix cache has seen the prompts. */
async function bench(results: Results, side: Side, pair: Pair, port: number, round: number) {
  const file = join(scratch, `bench-${side}-${round}.jsonl`);
  const { input, output } = httpTokens;
  const load = `--dataset-name random-ids --num-prompts ${streams} --random-input-len ${input} --random-output-len ${output}`;
  const args = `src/main.ts bench --backend vllm --port ${port} --model m --tokenizer ${pair.ours} ${load}`;
  const more = `--random-range-ratio 1 --seed ${round + 1} --disable-tqdm --output-file ${file}`;
  const all = `${args} ${more}`.split(" ");
  show("bun", all);
  const client = spawn("bun", all, { stdio: "ignore" });
  const code = await new Promise((resolve) => client.once("exit", resolve));
  if (code !== 0) throw new Error(`servebench bench ended with ${String(code)}`);
  const line = parseJson(readFileSync(file, "utf8")) as Record<string, number>; // Infinity occurs
  record(results, "http output tok/s", side, line["output_throughput"]!);
  record(results, "http median TTFT ms", side, line["median_ttft_ms"]!);
}

async function runHttp(results: Results, pair: Pair, round: number): Promise<void> {
  if (!wanted.includes("http")) return;
  const ours = `src/main.ts serve --model-path ${pair.ours} --port 30117 --threads ${threads} --served-model-name m`;
  await withServer("bun", ours.split(" "), 30117, () =>
    bench(results, "servebench", pair, 30117, round),
  );
  const shape = `-c 8192 -np ${streams} -t ${threads} -tb ${threads} -fa on --no-cache-prompt`;
  const theirs = `-m ${pair.gguf} --port 30118 ${shape}`.split(" ");
  await withServer(join(bin!, "llama-server"), theirs, 30118, () =>
    bench(results, "llama.cpp", pair, 30118, round),
  );
}

/** The bars of the comparison; a latency's ratio must be below 1. */
const bars: Readonly<Record<string, string>> = {
  prompt: ">= 1.0",
  decode1: ">= 0.9",
  decode16: ">= 1.5",
  "http output tok/s": ">= 1.5",
  "http median TTFT ms": "< 1.0",
};

function cell(numbers: readonly number[]): string {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return `${median(numbers).toFixed(1)} (${low.toFixed(1)}-${high.toFixed(1)})`;
}

function table(model: string, results: Results): string {
  const lines = Array.from(results, ([test, sides]) => {
    const ratio = median(sides.servebench) / median(sides["llama.cpp"]);
    const cells = [cell(sides.servebench), cell(sides["llama.cpp"]), ratio.toFixed(2), bars[test]];
    return `| ${model} | ${test} | ${cells.join(" | ")} |`;
  });
  return lines.join("\n");
}

console.log(`${cpus()[0]!.model}, ${threads} threads, median of ${values.rounds} (least-most)\n`);
console.log("| model | test | servebench | llama.cpp | ratio | bar |\n|---|---|---|---|---|---|");
for (const model of positionals) {
  const pair = pairOf(model);
  const results: Results = new Map();
  for (let round = 0; round < Number(values.rounds); round++) {
    runEngine(results, pair);
    runLlamaBench(results, pair);
    await runHttp(results, pair, round);
  }
  console.log(table(pair.ours, results));
}
console.log(`\nOther processes took ${othersPercent().toFixed(0)}% of the machine meanwhile.`);
