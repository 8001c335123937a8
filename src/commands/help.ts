/** Help texts, made from the command table. */
import type { Command } from "./command.ts";
import type { Flag } from "./flags.ts";

const width = 100;
const helpColumn = 34;

export function programHelp(version: string, commands: readonly Command[]): string {
  const rows = commands.map((c) => {
    const names = [c.name, ...c.aliases].join(", ");
    return `  ${names.padEnd(24)} ${c.summary}`;
  });
  return [
    `servebench ${version}: an LLM inference engine, its load generator and their results, in one file`,
    "",
    "Usage: servebench COMMAND [--flags]",
    "",
    "Commands:",
    ...rows,
    "",
    "Try it, in two terminals:",
    "  servebench serve --model-path preset:tiny",
    "  servebench bench --backend sglang --dataset-name random-ids --num-prompts 50",
    "",
    "servebench COMMAND --help explains a command and each of its flags; --version prints the version.",
    "Exit codes: 0 success, 1 the run failed, 2 wrong usage, 3 a gate not met, 130 interrupted.",
    "",
  ].join("\n");
}

export function commandHelp(command: Command): string {
  const words = Object.entries(command.words);
  const flags = Object.entries(command.flags);
  const usage = [command.name, ...words.map(([, word]) => word.placeholder), "[--flags]"].join(" ");
  return [
    `Usage: servebench ${usage}` +
      (command.aliases.length > 0 ? `   (also: ${command.aliases.join(", ")})` : ""),
    "",
    ...wrap(command.description, width),
    "",
    "Examples:",
    ...command.examples.flatMap(({ line, says }) => [`  ${line}`, `      ${says}`]),
    "",
    ...words.flatMap(([, word]) => [...itemHelp(`  ${word.placeholder}`, word.help), ""]),
    "Flags (any unambiguous prefix of a name will do; --name=value works too):",
    ...flags.flatMap(([name, flag]) => flagHelp(name, flag)),
    "",
  ].join("\n");
}

function flagHelp(name: string, flag: Flag<unknown>): string[] {
  const head = `  --${name}${flag.placeholder === null ? "" : ` ${flag.placeholder}`}`;
  const notes = [
    flag.required ? "Required." : defaultNote(flag),
    flag.aliases.length > 0 ? `Also ${flag.aliases.map(spelled).join(", ")}.` : "",
  ].filter((note) => note !== "");
  return itemHelp(head, [flag.help, ...notes].join(" "));
}

const spelled = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

function itemHelp(head: string, text: string): string[] {
  const lines = wrap(text, width - helpColumn);
  const indent = " ".repeat(helpColumn);
  if (head.length >= helpColumn - 1) return [head, ...lines.map((line) => indent + line)];
  return lines.map((line, i) => (i === 0 ? head.padEnd(helpColumn) : indent) + line);
}

function defaultNote({ default: value, placeholder }: Flag<unknown>): string {
  if (value === null || placeholder === null || Array.isArray(value)) return "";
  return `Default: ${value === "" ? '""' : value === Infinity ? "inf" : String(value)}.`;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
