/**
 * What the session costs a measurement, and how soon it answers a key meanwhile: 1000 streams from `servebench mock`, from
 * the shell, as a job of a session in which somebody types, and from the shell again, in rounds. Prints Markdown.
 *
 *   scripts/bench/session-cost [--rounds N] [--seconds N]
 *
 * A key's time is from writing it to the pseudo-terminal until the screen shows it; the two processes share the machine
 * with client and mock.
 */
import { parseArgs } from "node:util";
import { median } from "../../src/bench/statistics.ts";
import { binary } from "../../test/support/binary.ts";
import { PseudoTerminal } from "../../test/support/pseudo-terminal.ts";
import { header } from "./report.ts";
import {
  figureHead,
  figureNote,
  figureRows,
  type Line,
  perSecond,
  Streams,
  tokens,
} from "./streams.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "20" },
  },
});
const rounds = Number(values.rounds);
/** Between keys: a fast typist's. */
const keyMs = 100;
const typed = "results --where request_rate>=4 --sort ttft_p99 --columns run,output_throughput ";
const streams = await Streams.start(Number(values.seconds));

async function fromShell(): Promise<Line> {
  const command = [binary, "bench", ...streams.flags.split(" "), "--disable-tqdm"];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`servebench bench ended with ${child.exitCode}`);
  return streams.lastLine();
}

/** @returns The job's result line, and each key's time in milliseconds. */
async function inSession(): Promise<{ line: Line; keysMs: number[] }> {
  const terminal = new PseudoTerminal([binary], {
    columns: 120,
    env: { SERVEBENCH_HOME: streams.folder },
  });
  await terminal.enter(`bench ${streams.flags} &`);
  await terminal.shows(/started/);
  const job = { over: false };
  const ended = terminal.shows(/done after/).then(() => (job.over = true));
  const keysMs: number[] = [];
  for (let i = 0; !job.over; i++) {
    await Bun.sleep(keyMs);
    const key = typed[i % typed.length]!;
    if (i > 0 && i % typed.length === 0) terminal.type("\x15");
    const before = terminal.raw.length;
    const at = performance.now();
    terminal.type(key);
    while (terminal.raw.length === before && !job.over) await terminal.changed();
    keysMs.push(performance.now() - at);
  }
  await ended;
  terminal.type("\x15");
  await terminal.enter("exit");
  if ((await terminal.exited()) !== 0) throw new Error("the session did not end well");
  return { line: streams.lastLine(), keysMs };
}

const [off, on, again]: [Line[], Line[], Line[]] = [[], [], []];
const keysMs: number[] = [];
for (let round = 0; round < rounds; round++) {
  process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  off.push(await fromShell());
  const session = await inSession();
  on.push(session.line);
  keysMs.push(...session.keysMs);
  again.push(await fromShell());
}
await streams.close();

const sorted = keysMs.toSorted((a, b) => a - b);
const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
process.stdout.write(
  `# The cost of the session\n\n${header("scripts/bench/session-cost")}\n\n` +
    `${rounds} rounds. ${figureNote} ${perSecond * Number(values.seconds)} requests at ${perSecond} a second, ` +
    `${tokens} tokens each in 10 s: 1000 streams. Without: \`bench\` from the shell; with: a job of a session in which a key ` +
    `is typed each ${keyMs} ms.\n\n` +
    figureHead +
    figureRows(off, on, again) +
    `\nFrom a key to its sight, ${keysMs.length} keys: median ${median(keysMs).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
    `greatest ${sorted.at(-1)!.toFixed(1)} ms.\n`,
);
