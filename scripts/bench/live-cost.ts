/**
 * What the live display costs a measurement: 1000 streams from `servebench mock`, on a terminal, without the display,
 * with it, and without it again, in rounds. Prints a table as Markdown.
 *
 *   scripts/bench/live-cost [--rounds N] [--seconds N]
 *
 * A ratio is that of the same round; beside it stands that of the two runs without a display,
 * which is what the machine's own unrest makes of it.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { binary } from "../../test/support/binary.ts";
import { header } from "./report.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "20" },
  },
});
const rounds = Number(values.rounds);
/** Replies of ten seconds at this rate are 1000 streams. */
const perSecond = 100;
const tokens = 100;

interface Line {
  readonly lag_p99_ms: number;
  readonly p99_ttft_ms: number;
  readonly p99_itl_ms: number;
  readonly completed: number;
  readonly client: { readonly read_wait_p99_ms: number; readonly stamp_late_p99_ms: number };
}
const figures: readonly [name: string, of: (line: Line) => number][] = [
  ["send lag p99 (ms)", (line) => line.lag_p99_ms],
  ["TTFT p99 (ms)", (line) => line.p99_ttft_ms],
  ["ITL p99 (ms)", (line) => line.p99_itl_ms],
  ["read wait p99 (ms)", (line) => line.client.read_wait_p99_ms],
  ["stamps late p99 (ms)", (line) => line.client.stamp_late_p99_ms],
];

const folder = mkdtempSync(join(tmpdir(), "servebench-live-cost-"));
const mock = Bun.spawn(
  [binary, "mock", "--port", "0", "--ttft", "50", "--itl", "100", "--tokens", String(tokens)],
  { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
);
const first = await mock.stdout.getReader().read();
const url = /http:\S+/.exec(Buffer.from(first.value!).toString())![0];

/** One run's result line, and how often the display was drawn. */
async function bench(more: readonly string[]): Promise<{ line: Line; frames: number }> {
  const file = join(folder, "runs.jsonl");
  const flags =
    `--base-url ${url} --model m --tokenizer preset:tiny --dataset-name random-ids --random-input-len 8 ` +
    `--random-output-len ${tokens} --random-range-ratio 1 --request-rate ${perSecond} ` +
    `--num-prompts ${perSecond * Number(values.seconds)} --output-file ${file}`;
  let frames = 0;
  await using terminal = new Bun.Terminal({
    cols: 100,
    rows: 30,
    data: (_, bytes) => void (frames += Buffer.from(bytes).toString().split("\u001b[J").length - 1),
  });
  const child = Bun.spawn([binary, "bench", ...flags.split(" "), ...more], {
    env: { ...process.env, TERM: "xterm-256color" },
    terminal,
  });
  if ((await child.exited) !== 0) throw new Error(`servebench bench ended with ${child.exitCode}`);
  const line = JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1)!) as Line;
  return { line, frames };
}

const off: Line[] = [];
const on: Line[] = [];
const again: Line[] = [];
let drawn = 0;
for (let round = 0; round < rounds; round++) {
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  const without = await bench(["--disable-tqdm"]);
  const shown = await bench([]);
  if (without.frames > 0 || shown.frames === 0) throw new Error("the display is not as asked for");
  off.push(without.line);
  on.push(shown.line);
  drawn += shown.frames;
  again.push((await bench(["--disable-tqdm"])).line);
}
mock.kill();
rmSync(folder, { recursive: true });

const median = (sample: readonly number[]): number => {
  const sorted = sample.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};
/** Median and range. */
const spread = (sample: readonly number[]): string =>
  `${median(sample).toFixed(3)} (${Math.min(...sample).toFixed(3)} to ${Math.max(...sample).toFixed(3)})`;
const ratios = (
  of: readonly Line[],
  to: readonly Line[],
  figure: (line: Line) => number,
): string =>
  to.every((line) => figure(line) > 0)
    ? spread(of.map((line, i) => figure(line) / figure(to[i]!)))
    : "-";

const rows = figures.map(([name, figure]) =>
  [
    name,
    spread(off.map(figure)),
    spread(on.map(figure)),
    ratios(on, off, figure),
    ratios(again, off, figure),
  ].join(" | "),
);
process.stdout.write(
  `# The cost of the live display\n\n${header("scripts/bench/live-cost")}\n\n` +
    `Medians of ${rounds} rounds, and their ranges; ${perSecond * Number(values.seconds)} requests at ${perSecond} a second, ` +
    `${tokens} tokens each in 10 s: 1000 streams. ${(drawn / rounds).toFixed(0)} frames a run were drawn.\n\n` +
    "| figure | without | with | ratio | ratio of two without |\n|---|---|---|---|---|\n" +
    `${rows.map((row) => `| ${row} |`).join("\n")}\n`,
);
