/** `history` and `source`. */
import { readFileSync } from "node:fs";
import { defineCommand, type Command } from "../../commands/command.ts";
import { intFlag, required, textFlag } from "../../commands/flags.ts";
import { UserError } from "../../user-error.ts";
import type { Session } from "../session.ts";

export const historyCommand = (session: Session): Command =>
  defineCommand({
    name: "history",
    summary: "list the last commands, of earlier sessions too",
    description:
      "Lists the last commands. Up and Ctrl-R bring them back. A line that begins with a blank is not kept: the place for keys.",
    examples: [{ line: "history sweep --last 5", says: "the last 5 that hold sweep" }],
    words: { text: textFlag("Only those that hold this.", { placeholder: "TEXT" }) },
    flags: { last: intFlag("How many.", { default: 30, min: 1 }) },
    run: async ({ text, last }, io) => {
      const found = session.history.entries.filter((entry) => entry.includes(text ?? ""));
      for (const entry of found.slice(-last)) io.stdout(`${entry.replaceAll("\n", "\n  ")}\n`);
      return 0;
    },
  });

/** Files that source one another in a circle would never end. */
const depthMax = 20;

export const sourceCommand = (session: Session): Command => {
  let depth = 0;
  return defineCommand({
    name: "source",
    aliases: ["."],
    summary: "run the commands of a file",
    description:
      "Runs the commands of a file, one a line, until one fails; says which line that was.",
    examples: [{ line: "source night.sb", says: "as if its lines were typed" }],
    words: { file: required(textFlag("A file of commands.", { placeholder: "FILE" })) },
    flags: {},
    run: async ({ file }) => {
      if (file === null) return 0;
      if (depth >= depthMax)
        throw new UserError(
          `${file}: files source one another over ${depthMax} deep; is it a circle?`,
        );
      let text: string;
      try {
        text = readFileSync(file, "utf8");
      } catch (error) {
        throw new UserError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
      }
      depth++;
      try {
        return await session.runText(text, (line) => `${file}:${line}`);
      } finally {
        depth--;
      }
    },
  });
};
