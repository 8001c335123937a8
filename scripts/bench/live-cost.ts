/**
 * What the live display costs a measurement: 1000 streams from `servebench mock`, on a terminal, without the display,
 * with it, and without it again, in rounds. Prints a table as Markdown.
 *
 *   scripts/bench/live-cost [--rounds N] [--seconds N]
 *
 * A ratio is that of the same round; beside it stands that of the two runs without a display,
 * which is what the machine's own unrest makes of it.
 */
import { parseArgs } from "node:util";
import { binary } from "../../test/support/binary.ts";
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
const streams = await Streams.start(Number(values.seconds));

/** One run's result line, and how often the display was drawn. */
async function bench(more: readonly string[]): Promise<{ line: Line; frames: number }> {
  let frames = 0;
  await using terminal = new Bun.Terminal({
    cols: 100,
    rows: 30,
    data: (_, bytes) => void (frames += Buffer.from(bytes).toString().split("\u001b[J").length - 1),
  });
  const child = Bun.spawn([binary, "bench", ...streams.flags.split(" "), ...more], {
    env: { ...process.env, TERM: "xterm-256color" },
    terminal,
  });
  if ((await child.exited) !== 0) throw new Error(`servebench bench ended with ${child.exitCode}`);
  return { line: streams.lastLine(), frames };
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
await streams.close();

process.stdout.write(
  `# The cost of the live display\n\n${header("scripts/bench/live-cost")}\n\n` +
    `${rounds} rounds. ${figureNote} ${perSecond * Number(values.seconds)} requests at ${perSecond} a second, ` +
    `${tokens} tokens each in 10 s: 1000 streams. ${(drawn / rounds).toFixed(0)} frames a run were drawn.\n\n` +
    figureHead +
    figureRows(off, on, again),
);
