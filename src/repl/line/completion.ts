/** What Tab offers: a pure function of the text, the cursor and what there is to name. */
import type { Command } from "../../commands/command.ts";
import type { Flag } from "../../commands/flags.ts";
import { resolveFlag } from "../../commands/flags.ts";
import { GrammarError, quoted, scan, type Scan } from "../grammar.ts";

export interface Candidate {
  readonly text: string;
  /** A word beside it in the list. */
  readonly says?: string;
  /** It goes on, as a folder does: no blank after it. */
  readonly open?: boolean;
}

export interface Completion {
  /** The word that is completed, as offsets. */
  readonly from: number;
  readonly to: number;
  /** Each fits what is typed. */
  readonly candidates: readonly Candidate[];
}

/** Names of the moment. */
export interface World {
  readonly commands: readonly Command[];
  readonly presets: readonly string[];
  /** Kinds of servers that `launch` knows, this program's own first. */
  readonly kinds: readonly Candidate[];
  servers(): readonly string[];
  results(): readonly string[];
  jobs(): readonly string[];
  sessions(): readonly string[];
  topics(): readonly string[];
  /** Names of flags that `set` takes, and what one of them takes. */
  settings(): readonly string[];
  setting(name: string): Flag<unknown> | null;
  /** Entries of a folder, those of folders with "/" at the end; none if it cannot be read. */
  listFolder(path: string): readonly string[];
}

export function complete(text: string, cursor: number, world: World): Completion {
  const nothing = { from: cursor, to: cursor, candidates: [] };
  const line = lastCommand(text.slice(0, cursor));
  if (line === null) return nothing;
  const { scanned, from: start } = line;
  if (scanned.shell !== null) return nothing;
  const last = scanned.words.at(-1);
  const typing = last !== undefined && last.end === cursor ? last : null;
  const before = (typing ? scanned.words.slice(0, -1) : scanned.words).map((word) => word.text);
  const typed = typing?.text ?? "";
  if (typing === null && scanned.background) return nothing;
  const from = typing?.start ?? Math.max(start, cursor);
  return { from, to: cursor, candidates: candidates(before, typed, world) };
}

/** The command that the text ends in; null where the text is no such thing. */
function lastCommand(text: string): { scanned: Scan; from: number } | null {
  try {
    for (let from = 0; ;) {
      const scanned = scan(text, from);
      if (scanned.next > text.length || scanned.next === from || scanned.open)
        return { scanned, from };
      from = scanned.next;
    }
  } catch (error) {
    if (error instanceof GrammarError) return null;
    throw error;
  }
}

function candidates(before: readonly string[], typed: string, world: World): Candidate[] {
  const [name, ...rest] = before;
  if (name === undefined) {
    return fitting(
      typed,
      world.commands.map(({ name: text, summary: says }) => ({ text, says })),
    );
  }
  const named = world.commands.find((c) => c.name === name || c.aliases.includes(name));
  if (!named) return [];
  const command = withFlagsOfServer(named, rest, world);
  const { expected, wordsLeft } = walk(command, rest);
  if (expected) return valuesOf(expected.name, expected.flag, typed, world);
  const equals = typed.indexOf("=");
  if (typed.startsWith("--") && equals > 0) {
    const flag = known(command, typed.slice(2, equals));
    if (flag === null) return [];
    const prefix = typed.slice(0, equals + 1);
    return valuesOf(flag, command.flags[flag]!, typed.slice(equals + 1), world).map((value) => ({
      ...value,
      text: prefix + value.text,
    }));
  }
  if (typed.startsWith("-")) {
    const flags = Object.entries(command.flags).map(([flag, { help: says }]) => ({
      text: `--${flag}`,
      says,
    }));
    return fitting(typed, flags);
  }
  if (command.name === "set" && rest.length > 0) {
    const flag = world.setting(rest[0]!);
    return flag ? valuesOf(rest[0]!, flag, typed, world) : [];
  }
  const word = wordsLeft[0];
  if (word) return valuesOf(word[0], word[1], typed, world);
  return typed === "" ? candidates(before, "--", world) : [];
}

/** `launch` hands on flags that it does not know; those of this program's own server can be named. */
function withFlagsOfServer(command: Command, rest: readonly string[], world: World): Command {
  const [, ...others] = world.kinds;
  const ours = command.name === "launch" && !others.some(({ text }) => text === rest[0]);
  const serve = ours && world.commands.find(({ name }) => name === "serve");
  return serve ? { ...command, flags: { ...serve.flags, ...command.flags } } : command;
}

const known = (command: Command, written: string): string | null => {
  try {
    return resolveFlag(command.flags, written);
  } catch {
    return null;
  }
};

/** Goes through what is typed as parseFlags does: whose value comes next, or which words are left. */
function walk(command: Command, rest: readonly string[]) {
  const wordsLeft = Object.entries(command.words);
  let expected: { name: string; flag: Flag<unknown> } | null = null;
  for (const word of rest) {
    if (expected && !word.startsWith("--")) {
      if (!expected.flag.variadic) expected = null;
      continue;
    }
    expected = null;
    const name = word.startsWith("-") ? known(command, word.replace(/^--?/, "")) : null;
    if (name !== null && command.flags[name]!.placeholder !== null) {
      expected = { name, flag: command.flags[name]! };
    } else if (!word.startsWith("-") && wordsLeft[0] && !wordsLeft[0][1].repeated)
      wordsLeft.shift();
  }
  return { expected, wordsLeft };
}

/** By what a value is called in help. */
function valuesOf(
  name: string,
  { choices, placeholder }: Flag<unknown>,
  typed: string,
  world: World,
): Candidate[] {
  const named = (names: readonly string[]) =>
    fitting(
      typed,
      names.map((text) => ({ text })),
    );
  if (choices) return named(choices);
  const what = placeholder ?? "";
  if (/SERVER/.test(what)) return named(world.servers());
  if (/JOB/.test(what)) return named(world.jobs());
  if (/SESSION/.test(what)) return named(world.sessions());
  if (/\bRUNS?\b/.test(what)) return named(world.results());
  if (/KIND/.test(what)) return [...fitting(typed, world.kinds), ...models(typed, world)];
  if (/TOPIC/.test(what)) return named(world.topics());
  if (/SETTING/.test(what)) return named(world.settings());
  if (/MODEL/.test(what) || /^(model|model-path|tokenizer)$/.test(name)) {
    return models(typed, world);
  }
  if (/FILE|FOLDER|PATH|DIR|\.\w+$|\.\.\.$/.test(what)) return paths(typed, world);
  return [];
}

function models(typed: string, world: World): Candidate[] {
  const presets = world.presets.map((preset) => ({ text: `preset:${preset}` }));
  return [...fitting(typed, presets), ...(typed.startsWith("preset:") ? [] : paths(typed, world))];
}

function paths(typed: string, world: World): Candidate[] {
  const slash = typed.lastIndexOf("/") + 1;
  const [folder, name] = [typed.slice(0, slash), typed.slice(slash)];
  return world
    .listFolder(folder)
    .filter((entry) => entry.startsWith(name) && (name.startsWith(".") || !entry.startsWith(".")))
    .map((entry) => ({ text: folder + entry, open: entry.endsWith("/") }));
}

const fitting = (typed: string, all: readonly Candidate[]): Candidate[] =>
  all.filter(({ text }) => text.startsWith(typed));

/** What Tab types: the only candidate with a blank behind it, or the beginning that all share. */
export function insertion({ candidates: all }: Completion): string | null {
  const [first, ...others] = all;
  if (!first) return null;
  if (others.length === 0) return typeable(first.text) + (first.open ? "" : " ");
  let common = first.text;
  for (const { text } of others) while (!text.startsWith(common)) common = common.slice(0, -1);
  return common === "" ? null : typeable(common);
}

/** In quotes where it needs them; within them ~/ would not be the home folder. */
function typeable(text: string): string {
  const rest = text.replace(/^~\//, "");
  return rest === "" ? text : text.slice(0, text.length - rest.length) + quoted(rest);
}
