/**
 * What the session costs a measurement, and how soon it answers a key meanwhile: 1000 streams from `servebench mock`, from
 * the shell, as a job of a session in which somebody types, and from the shell again, in rounds. Prints Markdown.
 *
 *   scripts/bench/session-cost [--rounds N] [--seconds N]
 *
 * A key's time is from writing it to the pseudo-terminal until the screen shows it; the two processes share the machine
 * with client and mock.
 */
import { median } from "../../src/bench/statistics.ts";
import { binary } from "../../test/support/binary.ts";
import { PseudoTerminal } from "../../test/support/pseudo-terminal.ts";
import { type Line, measureCost, type Streams } from "./streams.ts";

/** Between keys: a fast typist's. */
const keyMs = 100;
const typed = "results --where request_rate>=4 --sort ttft_p99 --columns run,output_throughput ";
/** Each key's time. */
const keysMs: number[] = [];

async function fromShell(streams: Streams): Promise<Line> {
  const command = [binary, "bench", ...streams.flags.split(" "), "--disable-tqdm"];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`servebench bench ended with ${child.exitCode}`);
  return streams.lastLine();
}

async function inSession(streams: Streams): Promise<Line> {
  const terminal = new PseudoTerminal([binary], {
    columns: 120,
    env: { SERVEBENCH_HOME: streams.folder },
  });
  await terminal.enter(`bench ${streams.flags} &`);
  await terminal.shows(/started/);
  const job = { over: false };
  const ended = terminal.shows(/done after/).then(() => (job.over = true));
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
  return streams.lastLine();
}

const page = await measureCost(
  "The cost of the session",
  "scripts/bench/session-cost",
  { without: fromShell, with: inSession },
  () =>
    `Without: \`bench\` from the shell; with: a job of a session in which a key is typed each ${keyMs} ms.`,
);
const sorted = keysMs.toSorted((a, b) => a - b);
const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
process.stdout.write(
  `${page}\nFrom a key to its sight, ${keysMs.length} keys: median ${median(keysMs).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
    `greatest ${sorted.at(-1)!.toFixed(1)} ms.\n`,
);
