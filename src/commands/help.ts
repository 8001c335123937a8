/** Help texts, made from the command table. */
import type { Command, FlagGroup } from "./command.ts";
import type { Flag } from "./flags.ts";

const width = 80;
const helpColumn = 30;

export function programHelp(version: string, commands: readonly Command[]): string {
  const rows = commands.map((c) => {
    const names = [c.name, ...c.aliases].join(", ");
    return `  ${names.padEnd(21)} ${c.summary}`;
  });
  return [
    `servebench ${version}: an LLM inference engine, its load generator and their results`,
    "",
    "Usage: servebench COMMAND [--flags]",
    "",
    "Commands:",
    ...rows,
    "",
    "Try it, in two terminals:",
    "  servebench serve --model-path preset:tiny",
    "  servebench bench --dataset-name random-exact --num-prompts 50",
    "",
    "servebench COMMAND --help explains a command and its flags; --version prints",
    "the version. Exit codes: 0 success, 1 the run failed, 2 wrong usage,",
    "3 a gate not met, 130 interrupted.",
    "",
  ].join("\n");
}

export function commandHelp(command: Command): string {
  const words = Object.entries(command.words);
  const usage = [command.name, ...words.map(([, word]) => word.placeholder), "[--flags]"].join(" ");
  return [
    `Usage: servebench ${usage}` +
      (command.aliases.length > 0 ? `   (also: ${command.aliases.join(", ")})` : ""),
    "",
    ...wrap(command.description, width),
    "",
    "Examples:",
    ...command.examples.flatMap(exampleHelp),
    "",
    ...words.flatMap(([, word]) => [...itemHelp(`  ${word.placeholder}`, word.help), ""]),
    "Any unambiguous prefix of a flag's name will do; --name=value works too.",
    "",
    ...flagGroups(command).flatMap(({ title, names, brief }) => [
      `${title}:`,
      ...(brief ? briefly(names) : names.flatMap((name) => flagHelp(name, command.flags[name]!))),
      "",
    ]),
  ].join("\n");
}

/** Those of the command, and after them one of all flags that are in none. */
function flagGroups({ flags, groups = [] }: Command): readonly FlagGroup[] {
  const grouped = new Set(groups.flatMap(({ names }) => names));
  const others = Object.keys(flags).filter((name) => !grouped.has(name));
  const title = groups.length === 0 ? "Flags" : "Other flags";
  return others.length === 0 ? groups : [...groups, { title, names: others }];
}

const briefly = (names: readonly string[]): string[] =>
  wrap(names.map((name) => `--${name}`).join(", "), width - 2).map((line) => `  ${line}`);

/** A command line that is too long goes on after a backslash, each flag beside its value. */
function exampleHelp({ line, says }: Command["examples"][number]): string[] {
  const parts = line.match(/(?:^|--)(?:"[^"]*"|[^"])*?(?= --|$)/g) ?? [line];
  const lines = wrapped(parts, width - 4);
  const shown = lines.map((part, i) => `${i === 0 ? "  " : "    "}${part}`);
  return [
    ...shown.map((part, i) => (i < shown.length - 1 ? `${part} \\` : part)),
    ...wrap(says, width - 6).map((part) => `      ${part}`),
  ];
}

function flagHelp(name: string, flag: Flag<unknown>): string[] {
  const { placeholder, choices, help } = flag;
  const plain = `  --${name}${placeholder === null ? "" : ` ${placeholder}`}`;
  const long = choices !== null && plain.length > width;
  // Choices that the text goes through one by one need not be listed before it.
  const listed = long && !choices.every((choice) => help.includes(`${choice}:`));
  const notes = [
    listed ? `One of ${choices.join(", ")}.` : "",
    flag.required ? "Required." : defaultNote(flag),
    flag.aliases.length > 0 ? `Also ${flag.aliases.map(spelled).join(", ")}.` : "",
  ].filter((note) => note !== "");
  return itemHelp(long ? `  --${name} NAME` : plain, [help, ...notes].join(" "));
}

const spelled = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

function itemHelp(head: string, text: string): string[] {
  const lines = wrap(text, width - helpColumn);
  const indent = " ".repeat(helpColumn);
  if (head.length >= helpColumn - 1) return [head, ...lines.map((line) => indent + line)];
  return lines.map((line, i) => (i === 0 ? head.padEnd(helpColumn) : indent) + line);
}

function defaultNote({ default: value, placeholder }: Flag<unknown>): string {
  if (value === null || value === "" || placeholder === null || Array.isArray(value)) return "";
  return `Default: ${value === Infinity ? "inf" : String(value)}.`;
}

const wrap = (text: string, columns: number): string[] => wrapped(text.split(/\s+/), columns);

/** Words, or what else is not to be cut, in lines of so many columns. */
function wrapped(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
