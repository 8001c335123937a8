/**
 * What the live display costs a measurement: 1000 streams from `servebench mock`, on a terminal, without the display,
 * with it, and without it again, in rounds. Prints a table as Markdown.
 *
 *   scripts/bench/live-cost [--rounds N] [--seconds N]
 *
 * A ratio is that of the same round; beside it stands that of the two runs without a display,
 * which is what the machine's own unrest makes of it.
 */
import { mean } from "../../src/bench/statistics.ts";
import { binary } from "../../test/support/binary.ts";
import { type Line, measureCost, type Streams } from "./streams.ts";

/** One run's result line, and how often the display was drawn. */
async function bench(
  streams: Streams,
  more: readonly string[],
): Promise<{ line: Line; frames: number }> {
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

const drawn: number[] = [];
const page = await measureCost(
  "The cost of the live display",
  "scripts/bench/live-cost",
  {
    without: async (streams) => {
      const { line, frames } = await bench(streams, ["--disable-tqdm"]);
      if (frames > 0) throw new Error("the display was drawn");
      return line;
    },
    with: async (streams) => {
      const { line, frames } = await bench(streams, []);
      if (frames === 0) throw new Error("the display was not drawn");
      drawn.push(frames);
      return line;
    },
  },
  () => `${mean(drawn).toFixed(0)} frames a run were drawn.`,
);
process.stdout.write(page);
