/** `servebench repl`: the session, at a terminal or with commands on standard input. */
import { join } from "node:path";
import { commands } from "../commands/index.ts";
import { defineCommand, type CommandIo } from "../commands/command.ts";
import { textFlag } from "../commands/flags.ts";
import { version } from "../version.ts";
import type { Session } from "./session.ts";

export const repl = defineCommand({
  name: "repl",
  summary: "the session: everything in one place (also: servebench alone)",
  description:
    "Opens the session, in which servers are launched, loaded and watched, and results kept and compared: at a terminal with line editing, completion and jobs in the " +
    "background; from a file or a pipe, until the first command that fails.",
  examples: [
    { line: "servebench", says: "the session, at a terminal; help explains it" },
    {
      line: "servebench repl --session tuning",
      says: "one that was opened before, with its results and settings",
    },
    { line: "servebench repl < night.sb", says: "the commands of a file" },
  ],
  flags: {
    session: textFlag(
      "Name of the session, new or to be gone on with; a new one of the day if not given.",
      {
        placeholder: "NAME",
        extension: true,
      },
    ),
  },
  run: ({ session }, io) => openSession(session, io),
});

async function openSession(name: string | null, io: CommandIo): Promise<number> {
  const [{ Session }, { sessionCommands }, { History }, { dataFolder, Store, storePath }] =
    await Promise.all([
      import("./session.ts"),
      import("./commands/index.ts"),
      import("./line/history.ts"),
      import("../store/index.ts"),
    ]);
  const note = (line: string) => io.stderr(`${line}\n`);
  const store = Store.open(storePath(), note);
  const { stdin, stdout } = process;
  const atTerminal = stdin.isTTY === true && stdout.isTTY === true;
  const history = new History(atTerminal ? join(dataFolder(), "history") : null, note);
  let session: Session | null = null;
  const ui = await userInterface(atTerminal, history, () => session!, io);
  session = new Session({ ui, store, history, commands, style: io.output });
  session.own = sessionCommands(session);
  session.open(name ?? undefined);
  if (ui.interactive) greet(session);
  endBySignals(session);
  return session.run();
}

async function userInterface(
  atTerminal: boolean,
  history: import("./line/history.ts").History,
  session: () => Session,
  io: CommandIo,
): Promise<import("./ui/ui.ts").Ui> {
  const { stdin, stdout } = process;
  if (atTerminal && process.env["TERM"] !== "dumb") {
    const [{ TerminalUi }, { worldOf }] = await Promise.all([
      import("./ui/terminal.ts"),
      import("./world.ts"),
    ]);
    return new TerminalUi(stdin, stdout, io.output.colour, { history, world: worldOf(session) });
  }
  const { LinesUi } = await import("./ui/lines.ts");
  return new LinesUi({ stdin, out: io.stdout, err: io.stderr }, atTerminal, io.columns);
}

function greet(session: Session): void {
  const { runs } = session.store.sessions().find(({ name }) => name === session.name)!;
  const set = Object.keys(session.defaults.all).length;
  const has = [
    runs > 0 ? `${runs} run${runs > 1 ? "s" : ""}` : "",
    set > 0 ? `${set} setting${set > 1 ? "s" : ""}` : "",
  ].filter((text) => text !== "");
  session.say(
    `servebench ${version}, session ${session.name}${has.length > 0 ? ` (${has.join(", ")})` : ""}\n`,
  );
  session.say("help lists the commands, Tab completes, Ctrl-D leaves.\n");
}

/** Ended from outside: jobs and servers end in order, and the terminal gets its modes back. */
function endBySignals(session: Session): void {
  for (const [name, code] of [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.once(name, () => {
      session.leaving = true;
      void session.close().finally(() => process.exit(code));
    });
  }
}
