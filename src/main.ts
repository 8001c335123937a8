/** Looks the command up in the command table and runs it; nothing else. */
import type { CommandIo } from "./commands/command.ts";
import { commandHelp, programHelp } from "./commands/help.ts";
import { commands as ownCommands, findCommand } from "./commands/index.ts";
import { repl } from "./repl/command.ts";
import { terminalStyle } from "./terminal/style.ts";
import { exitCode } from "./exit-code.ts";
import { nearest } from "./nearest.ts";
import { UsageError, UserError } from "./user-error.ts";
import { version } from "./version.ts";

const helpWords = ["--help", "-h", "help"];
const commands = [repl, ...ownCommands];

/** Without a command, at a terminal, the session is meant. */
function meantWords(words: readonly string[]): readonly string[] {
  const isSession = words[0]?.startsWith("--session") ?? false;
  const atTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return isSession || (words.length === 0 && atTerminal) ? [repl.name, ...words] : words;
}

async function main(words: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = meantWords(words);
  if (name === undefined || helpWords.includes(name)) {
    const about = rest[0] === undefined ? undefined : find(rest[0]);
    io.stdout(about ? commandHelp(about) : programHelp(version, commands));
    return exitCode.success;
  }
  if (name === "--version" || name === "-V") {
    io.stdout(`servebench ${version}\n`);
    return exitCode.success;
  }
  const command = find(name);
  if (!command) {
    const names = commands.flatMap((c) => [c.name, ...c.aliases]);
    io.stderr(`servebench: unknown command '${name}'${nearest(name, names)}; `);
    io.stderr(`the commands are ${names.join(", ")}\n`);
    return exitCode.usage;
  }
  if (rest.includes("--help") || rest.includes("-h") || rest[0] === "help") {
    io.stdout(commandHelp(command));
    return exitCode.success;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    io.stderr(`servebench ${command.name}: ${error.message}\n`);
    if (!(error instanceof UsageError)) return exitCode.failure;
    io.stderr(`servebench ${command.name} --help explains the flags.\n`);
    return exitCode.usage;
  }
}

const find = (name: string) => (name === repl.name ? repl : findCommand(name));

/** The first Ctrl-C asks the command to finish and keep what it has; the second ends the program at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode.interrupted);
      controller.abort(name);
    });
  }
  return controller.signal;
}

/** null unless question and answer both are at a terminal. */
function asker(): CommandIo["ask"] {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return null;
  return async (question) => {
    const { createInterface } = await import("node:readline");
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    return new Promise((resolve) => {
      lines.once("close", () => resolve(""));
      lines.question(question, (answer) => {
        resolve(answer);
        lines.close();
      });
    });
  };
}

let signal: AbortSignal | null = null;
const dumb = process.env["TERM"] === "dumb";
process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true && !dumb,
  columns: process.stderr.columns ?? (Number(process.env["COLUMNS"]) || 80),
  output: terminalStyle(process.stdout, process.env),
  ask: asker(),
  /** Signals are caught from when a command first asks for them: the session has its own ways with them. */
  get signal() {
    return (signal ??= interruptSignal());
  },
});
