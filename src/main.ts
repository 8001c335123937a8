/** Looks the command up in the command table and runs it; nothing else. */
import type { CommandIo } from "./commands/command.ts";
import { commandHelp, programHelp } from "./commands/help.ts";
import { commands, findCommand } from "./commands/index.ts";
import { exitCode } from "./exit-code.ts";
import { nearest } from "./nearest.ts";
import { UsageError, UserError } from "./user-error.ts";
import { version } from "./version.ts";

const helpWords = ["--help", "-h", "help"];

async function main(argv: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || helpWords.includes(name)) {
    const about = rest[0] === undefined ? undefined : findCommand(rest[0]);
    io.stdout(about ? commandHelp(about) : programHelp(version, commands));
    return exitCode.success;
  }
  if (name === "--version" || name === "-V") {
    io.stdout(`servebench ${version}\n`);
    return exitCode.success;
  }
  const command = findCommand(name);
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

const dumb = process.env["TERM"] === "dumb";
process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true && !dumb,
  columns: process.stderr.columns ?? 80,
  signal: interruptSignal(),
});
