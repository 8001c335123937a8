/**
 * A thousand streams from `servebench mock`, and what of a run's result line tells how exact it was: what live-cost and
 * session-cost have in common.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "../../src/bench/statistics.ts";
import { binary } from "../../test/support/binary.ts";

/** Replies of ten seconds at this rate are 1000 streams. */
export const perSecond = 100;
export const tokens = 100;

export interface Line {
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

export class Streams {
  readonly folder = mkdtempSync(join(tmpdir(), "servebench-streams-"));
  readonly outputFile = join(this.folder, "runs.jsonl");
  readonly #mock = Bun.spawn(
    [binary, "mock", "--port", "0", "--ttft", "50", "--itl", "100", "--tokens", String(tokens)],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  readonly #flags: string;
  #url = "";

  private constructor(seconds: number) {
    this.#flags =
      `--model m --tokenizer preset:tiny --dataset-name random-ids --random-input-len 8 ` +
      `--random-output-len ${tokens} --random-range-ratio 1 --request-rate ${perSecond} ` +
      `--num-prompts ${perSecond * seconds} --output-file ${this.outputFile}`;
  }

  static async start(seconds: number): Promise<Streams> {
    const streams = new Streams(seconds);
    const first = await streams.#mock.stdout.getReader().read();
    streams.#url = /http:\S+/.exec(Buffer.from(first.value!).toString())![0];
    return streams;
  }

  /** Of `servebench bench`. */
  get flags(): string {
    return `--base-url ${this.#url} ${this.#flags}`;
  }

  lastLine(): Line {
    return JSON.parse(readFileSync(this.outputFile, "utf8").trim().split("\n").at(-1)!) as Line;
  }

  async close(): Promise<void> {
    this.#mock.kill();
    await this.#mock.exited;
    rmSync(this.folder, { recursive: true });
  }
}

/** Median and range. */
export const spread = (sample: readonly number[]): string =>
  `${median(sample).toFixed(3)} (${Math.min(...sample).toFixed(3)} to ${Math.max(...sample).toFixed(3)})`;
const ratios = (
  of: readonly Line[],
  to: readonly Line[],
  figure: (line: Line) => number,
): string =>
  to.every((line) => figure(line) > 0)
    ? spread(of.map((line, i) => figure(line) / figure(to[i]!)))
    : "-";

/** Rows of a Markdown table: figure, without, with, ratio, ratio of two without. */
export const figureRows = (
  off: readonly Line[],
  on: readonly Line[],
  again: readonly Line[],
): string =>
  figures
    .map(([name, figure]) =>
      [
        name,
        spread(off.map(figure)),
        spread(on.map(figure)),
        ratios(on, off, figure),
        ratios(again, off, figure),
      ].join(" | "),
    )
    .map((row) => `| ${row} |\n`)
    .join("");
