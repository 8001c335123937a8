/**
 * What live-cost and session-cost have in common: a thousand streams from `servebench mock`, runs in rounds without and with
 * what may cost something, and a table of what tells how exact they were.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import seedrandom from "seedrandom";
import { median } from "../../src/bench/statistics.ts";
import { binary } from "../../test/support/binary.ts";
import { header } from "./report.ts";

/** Replies of ten seconds at this rate are 1000 streams. */
const perSecond = 100;
const tokens = 100;

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
const spread = (sample: readonly number[]): string =>
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

/** Rows of a Markdown table. */
const figureRows = (off: readonly Line[], on: readonly Line[], again: readonly Line[]): string =>
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

/** One run each, whose result line it gives. */
export interface Ways {
  without(streams: Streams): Promise<Line>;
  with(streams: Streams): Promise<Line>;
}

/**
 * Runs the rounds that the command line asks for: --rounds N, --seconds N.
 * @param says A sentence below the heading, asked for when all is over.
 * @returns A page of Markdown.
 */
export async function measureCost(
  title: string,
  script: string,
  ways: Ways,
  says: () => string,
): Promise<string> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "20" },
    },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const streams = await Streams.start(seconds);
  const [off, on, again]: [Line[], Line[], Line[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    off.push(await ways.without(streams));
    on.push(await ways.with(streams));
    again.push(await ways.without(streams));
  }
  await streams.close();
  return (
    `# ${title}\n\n${header(script)}\n\n` +
    `${rounds} rounds. Medians of the rounds' runs, each round one without, one with, one without again, and their ranges; ratios of ` +
    `medians with 95 % intervals by bootstrap of the rounds. ${perSecond * seconds} requests at ${perSecond} a second, ` +
    `${tokens} tokens each in 10 s: 1000 streams. ${says()}\n\n` +
    "| figure | without | with | ratio | ratio of two without |\n|---|---|---|---|---|\n" +
    figureRows(off, on, again)
  );
}
