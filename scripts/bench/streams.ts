/**
 * A thousand streams from `servebench mock`, and what of a run's result line tells how exact it was: what live-cost and
 * session-cost have in common.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import seedrandom from "seedrandom";
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

/** One round's figure: without, with, and without again. */
type Round = readonly [off: number, on: number, again: number];
const resamples = 10_000;

/** A ratio of medians over the rounds, and its 95 % interval by the percentile bootstrap of the rounds. */
function ratioText(rounds: readonly Round[], ratio: (rounds: readonly Round[]) => number): string {
  if (!Number.isFinite(ratio(rounds))) return "-";
  const random = seedrandom("rounds");
  const pick = (): Round => rounds[Math.floor(random() * rounds.length)]!;
  const ratios = Array.from({ length: resamples }, () => ratio(rounds.map(pick)));
  ratios.sort((a, b) => a - b);
  const at = (share: number): string => ratios[Math.floor(share * resamples)]!.toFixed(2);
  return `${ratio(rounds).toFixed(2)} (${at(0.025)} to ${at(0.975)})`;
}

const without = (rounds: readonly Round[]): number[] =>
  rounds.flatMap(([off, , again]) => [off, again]);
const ratioOfWith = (rounds: readonly Round[]): number =>
  median(rounds.map(([, on]) => on)) / median(without(rounds));
const ratioOfTwoWithout = (rounds: readonly Round[]): number =>
  median(rounds.map(([, , again]) => again)) / median(rounds.map(([off]) => off));

export const figureHead =
  "| figure | without | with | ratio | ratio of two without |\n|---|---|---|---|---|\n";

/** What `figureRows` shows. */
export const figureNote =
  "Medians of the rounds' runs, each round one without, one with, one without again, and their ranges; ratios of medians with " +
  "95 % intervals by bootstrap of the rounds.";

/** Rows of a Markdown table under `figureHead`. */
export const figureRows = (
  off: readonly Line[],
  on: readonly Line[],
  again: readonly Line[],
): string =>
  figures
    .map(([name, figure]) => {
      const rounds = off.map((line, i): Round => [figure(line), figure(on[i]!), figure(again[i]!)]);
      return [
        name,
        spread(without(rounds)),
        spread(on.map(figure)),
        ratioText(rounds, ratioOfWith),
        ratioText(rounds, ratioOfTwoWithout),
      ].join(" | ");
    })
    .map((row) => `| ${row} |\n`)
    .join("");
