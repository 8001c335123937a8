/** `servebench supervise COMMAND...`: not for people; `src/launch` starts servers through it. */
import type { Command } from "./command.ts";

export const superviseCommand: Command = {
  name: "supervise",
  aliases: [],
  summary: "run a server that ends when standard input closes",
  description:
    "Runs COMMAND until it ends or standard input closes, then ends all that it has left.",
  examples: [],
  words: {},
  flags: {},
  run: async (command, { signal }) => {
    const { supervise } = await import("../launch/index.ts");
    return supervise(command, signal);
  },
};
