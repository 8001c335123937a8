/** `set`, `sessions` and `exit`. */
import { timeText } from "../../bench/results/columns.ts";
import { defineCommand, type Command } from "../../commands/command.ts";
import { restOf, switchFlag, textFlag, textListFlag } from "../../commands/flags.ts";
import { tableText } from "../../terminal/table.ts";
import { UsageError } from "../../user-error.ts";
import { quoted } from "../grammar.ts";
import type { Session } from "../session.ts";

export const setCommand = (session: Session): Command =>
  defineCommand({
    name: "set",
    summary: "defaults for the flags of jobs",
    description:
      "Gives a flag a default in this session: every command that has the flag gets it, unless the line has the flag itself. " +
      "Without words, lists them. A switch is set by on and off.",
    examples: [
      { line: "set num-prompts 200", says: "bench and sweep send 200 requests" },
      { line: "set dataset-name random-exact", says: "the data set of all" },
      { line: "set --clear num-prompts", says: "the flag's own default again" },
    ],
    words: {
      setting: textFlag("Name of a flag.", { placeholder: "SETTING" }),
      value: restOf(textListFlag("Its value, or its values.", { placeholder: "VALUE" })),
    },
    flags: { clear: switchFlag("Forget it; all of them if none is named.") },
    run: async ({ setting, value, clear }, io) => {
      const { defaults } = session;
      if (setting === null) {
        if (clear) for (const name of Object.keys(defaults.all)) defaults.set(name, null);
        io.stdout(listed(defaults.all));
        return 0;
      }
      const name = setting.replace(/^--/, "");
      if (clear || value !== null) setOne(session, name, clear ? null : value);
      else {
        defaults.flag(name);
        const words = defaults.all[name];
        io.stdout(words ? listed({ [name]: words }) : `${name} is not set\n`);
      }
      return 0;
    },
  });

function setOne({ defaults }: Session, name: string, value: readonly string[] | null): void {
  const isSwitch = defaults.flag(name).placeholder === null;
  if (!isSwitch || value === null) defaults.set(name, value);
  else if (value.join(" ") === "on") defaults.set(name, []);
  else if (value.join(" ") === "off") defaults.set(name, null);
  else throw new UsageError(`${name} is a switch: on or off, not '${value.join(" ")}'`);
}

function listed(all: Readonly<Record<string, readonly string[]>>): string {
  const rows = Object.entries(all).map(([name, words]) => [
    name,
    words.length === 0 ? "on" : words.map(quoted).join(" "),
  ]);
  if (rows.length === 0) return "Nothing is set. set num-prompts 200 is an example.\n";
  return tableText({ head: ["setting", "value"], rows, frame: "none" });
}

export const sessionsCommand = (session: Session): Command =>
  defineCommand({
    name: "sessions",
    summary: "list the sessions, or go on in another",
    description:
      "Lists the sessions whose results or settings are kept. With a name, goes on in that one, which is made if need be: its settings hold " +
      "and new results belong to it; servers and jobs stay.",
    examples: [
      { line: "sessions", says: "name, time and number of runs of each" },
      { line: "sessions tuning", says: "goes on in the session tuning" },
    ],
    words: { session: textFlag("Name of a session.", { placeholder: "SESSION" }) },
    flags: {},
    run: async ({ session: name }, io) => {
      if (name !== null) {
        session.open(name);
        io.stdout(`This is session ${session.name} now.\n`);
        return 0;
      }
      const rows = session.store
        .sessions()
        .map((one) => [
          `${one.name === session.name ? "*" : " "} ${one.name}`,
          timeText(one.last),
          String(one.runs),
        ]);
      io.stdout(
        tableText({
          head: ["  session", "last used", "runs"],
          rows,
          right: [false, false, true],
          frame: "none",
        }),
      );
      return 0;
    },
  });

export const exitCommand = (session: Session): Command =>
  defineCommand({
    name: "exit",
    aliases: ["quit"],
    summary: "leave; asks first if servers or jobs run",
    description: "Ends the session, its jobs and its servers. Results and settings are kept.",
    examples: [{ line: "exit", says: "as Ctrl-D does" }],
    flags: {},
    run: async () => {
      session.leaving = await session.mayLeave();
      return 0;
    },
  });
