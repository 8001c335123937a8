/** `help [TOPIC]`. */
import { defineCommand, type Command } from "../../commands/command.ts";
import { textFlag } from "../../commands/flags.ts";
import { nearest } from "../../nearest.ts";
import { fit } from "../../terminal/width.ts";
import { UsageError } from "../../user-error.ts";
import type { Session } from "../session.ts";
import { topics } from "../topics.ts";

export const helpCommand = (session: Session): Command =>
  defineCommand({
    name: "help",
    aliases: ["?"],
    summary: "the commands; help TOPIC explains a command or a topic",
    description: "Lists the commands and topics, or explains one of them.",
    examples: [
      { line: "help bench", says: "what bench does, and its flags" },
      { line: "help keys", says: "the keys of the line editor" },
    ],
    words: { topic: textFlag("A command or a topic.", { placeholder: "TOPIC" }) },
    flags: {},
    run: async ({ topic }, io) => {
      io.stdout(topic === null ? overview(session, io.columns) : explained(session, topic));
      return 0;
    },
  });

function overview({ own, programCommands }: Session, columns: number): string {
  const row = (name: string, says: string): string => fit(`  ${name.padEnd(12)} ${says}`, columns);
  const list = (commands: readonly Command[]): string[] =>
    commands.map(({ name, summary }) => row(name, summary));
  return [
    "In the session:",
    ...list(own),
    "",
    "Here and from the shell:",
    ...list(programCommands),
    "",
    "Topics:",
    ...Object.entries(topics).map(([name, { summary }]) => row(name, summary)),
    "",
    "A command's --help says more, and Tab completes names, flags and values.",
    "",
  ].join("\n");
}

function explained(session: Session, topic: string): string {
  const command = session.lookUp(topic);
  if (command) return session.help(command);
  if (Object.hasOwn(topics, topic)) return `${topics[topic]!.text.trim()}\n`;
  const names = [...session.commands.map(({ name }) => name), ...Object.keys(topics)];
  throw new UsageError(
    `nothing is called '${topic}'${nearest(topic, names)}; help lists commands and topics`,
  );
}
