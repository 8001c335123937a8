/** Proves the live display of the real program against its own mock: as JSON, and on a pseudo-terminal. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LiveState } from "../../src/bench/live/state.ts";
import { binary } from "../support/binary.ts";

let folder: string;
let mock: Bun.Subprocess<"ignore", "pipe", "inherit">;
let url = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "servebench-live-"));
  const command = [binary, "mock", "--port", "0", "--ttft", "20", "--itl", "5"];
  mock = Bun.spawn(command, { stdin: "ignore", stdout: "pipe" });
  for await (const bytes of mock.stdout) {
    url = /http:\S+/.exec(Buffer.from(bytes).toString())![0];
    break;
  }
});
afterAll(async () => {
  mock.kill();
  await mock.exited;
  rmSync(folder, { recursive: true });
});

const command = (...more: string[]): string[] => [
  binary,
  "bench",
  ...`--base-url ${url} --model m --tokenizer preset:tiny --dataset-name random-ids`.split(" "),
  ...`--random-input-len 8 --random-range-ratio 1`.split(" "),
  "--output-file",
  join(folder, "runs.jsonl"),
  ...more,
];
const many = ["--num-prompts", "40", "--random-output-len", "100"];
/** Replies of a quarter of an hour. */
const endless = "--num-prompts 40 --random-output-len 200000 --warmup-requests 0".split(" ");

const { CI: _, ...env } = process.env;

async function statesOf(...flags: string[]): Promise<LiveState[]> {
  const child = Bun.spawn(command(...flags), {
    env: { ...env, SERVEBENCH_LIVE: "1" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const text = await new Response(child.stderr).text();
  expect(await child.exited).toBe(0);
  const lines = text.split("\n").filter((line) => line !== "");
  expect(lines.filter((line) => !line.startsWith("\u001e"))).toEqual([]);
  return lines.map((line) => JSON.parse(line.slice(1)) as LiveState);
}

test("a stream of states, the last of which is the run's", async () => {
  const states = await statesOf(...many);
  expect(states.length).toBeGreaterThan(2); // of half a second
  const last = states.at(-1)!;
  const counts = { sent: 40, running: 0, done: 40, failed: 0, givenUp: 0, total: 40 };
  expect(last).toMatchObject({ over: true, ...counts, leftS: 0, series: null });
  expect(last.tokens.mean * last.elapsedS).toBeWithin(3950, 4050);
  expect(last.ttft!.p50).toBeGreaterThan(19);
  expect(last.itl!.p50).toBeGreaterThan(3);
  // Tokens are seen before the first reply has ended.
  const running = states.filter(({ done, over }) => done === 0 && !over);
  expect(running.some(({ tokens }) => tokens.mean > 0)).toBeTrue();
});

test("runs of several say which they are, and --disable-tqdm says nothing", async () => {
  const few = ["--num-prompts", "4", "--random-output-len", "4", "--num-runs", "2"];
  const states = await statesOf(...few);
  const ends = states.filter(({ over }) => over).map(({ series }) => series);
  expect(ends).toMatchObject([
    { at: 1, of: 2 },
    { at: 2, of: 2 },
  ]);
  expect(await statesOf(...few, "--disable-tqdm")).toEqual([]);
});

interface Played {
  /** All that the terminal was sent. */
  readonly text: string;
  readonly exitCode: number;
}

/** Runs on a terminal; SIGINT, which Ctrl-C stands for, is sent so many times after a few frames. */
async function play(flags: string[], interrupts = 0): Promise<Played> {
  let text = "";
  let sent = 0;
  const decoder = new TextDecoder();
  await using terminal = new Bun.Terminal({
    cols: 80,
    rows: 24,
    data: (_terminal, bytes) => {
      text += decoder.decode(bytes, { stream: true });
      if (text.split(redrawn).length > 3) while (sent++ < interrupts) child.kill("SIGINT");
    },
  });
  const child = Bun.spawn(command(...flags), {
    env: { ...env, TERM: "xterm-256color" },
    terminal,
  });
  const exitCode = await child.exited;
  return { text, exitCode };
}

const [hide, show] = ["\u001b[?25l", "\u001b[?25h"];
const redrawn = "\r\u001b[4A";

test("the block is drawn over itself, and one line stays above the table", async () => {
  const { text, exitCode } = await play(many);
  expect(exitCode).toBe(0);
  expect(text.split(redrawn).length).toBeGreaterThan(2);
  expect(text).toContain("of 40 done");
  expect(text.indexOf(show)).toBeGreaterThan(text.indexOf(hide));
  const after = text.slice(text.lastIndexOf(show) + show.length);
  expect(after).toMatch(/^0:0\d {2}40 of 40 done {2}[^\r]*\r\n\r\n=+ Serving Benchmark Result/);
});

test("Ctrl-C gives the cursor back, and reports", async () => {
  const { text, exitCode } = await play(endless, 1);
  expect(exitCode).toBe(130);
  expect(text.lastIndexOf(show)).toBeGreaterThan(text.lastIndexOf(hide));
  expect(text).toContain("0 of 40 done  40 given up");
  expect(text).toContain("Serving Benchmark Result");
});

test("so does an end at once, by Ctrl-C twice", async () => {
  const { text, exitCode } = await play(endless, 2);
  expect(exitCode).toBe(130);
  expect(text.lastIndexOf(show)).toBeGreaterThan(text.lastIndexOf(hide));
});
