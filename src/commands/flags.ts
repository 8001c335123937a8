/**
 * Flags of a command: declared once as data, from which parsing, help and completion follow. The syntax is
 * argparse's, since users bring command lines written for SGLang's tools: `--name value`, `--name=value`, and
 * any unambiguous prefix of a name.
 */
import { UsageError } from "../user-error.ts";
import { nearest } from "../nearest.ts";

export interface Flag<T> {
  readonly help: string;
  /** What the value is called in help; null for a switch, which takes none. */
  readonly placeholder: string | null;
  readonly default: T;
  readonly required: boolean;
  /** Other spellings, without dashes. */
  readonly aliases: readonly string[];
  readonly choices: readonly string[] | null;
  /**
   * Not in the tool this command is compatible with. A prefix that fits a flag of the original means that flag,
   * so our additions never make an old command line ambiguous.
   */
  readonly extension: boolean;
  /** Collects every occurrence into a list. */
  readonly repeated: boolean;
  /** Takes all words up to the next flag (argparse's nargs="*"); the value is a list. */
  readonly variadic: boolean;
  /** Parses one value; throws a UsageError that completes the sentence "--name: ...". */
  parse(text: string): unknown;
}
export type Flags = Readonly<Record<string, Flag<unknown>>>;

type CamelCase<S extends string> = S extends `${infer A}-${infer B}`
  ? `${A}${Capitalize<CamelCase<B>>}`
  : S;
/** Parsed values by the flag's name in camel case. */
export type FlagValues<F extends Flags> = {
  readonly [K in keyof F & string as CamelCase<K>]: F[K] extends Flag<infer T> ? T : never;
};

interface Common {
  readonly aliases?: readonly string[];
  readonly extension?: boolean;
}
interface Ranged {
  readonly min?: number;
  readonly max?: number;
}

function flag<T>(
  help: string,
  placeholder: string | null,
  defaultValue: T,
  parse: (text: string) => unknown,
  more: Common & {
    choices?: readonly string[];
    repeated?: boolean;
    variadic?: boolean;
    required?: boolean;
  } = {},
): Flag<T> {
  return {
    help,
    placeholder,
    default: defaultValue,
    required: more.required ?? false,
    aliases: more.aliases ?? [],
    choices: more.choices ?? null,
    extension: more.extension ?? false,
    repeated: more.repeated ?? false,
    variadic: more.variadic ?? false,
    parse,
  };
}

/** `T | null` where no default is given. */
type OrNull<T, D> = D extends T ? T : T | null;

export function textFlag<const D extends string | null = null>(
  help: string,
  { placeholder = "TEXT", ...more }: Common & { placeholder?: string; default?: D } = {},
): Flag<OrNull<string, D>> {
  return flag(help, placeholder, (more.default ?? null) as OrNull<string, D>, (s) => s, more);
}

export function textListFlag(
  help: string,
  { placeholder = "TEXT", ...more }: Common & { placeholder?: string } = {},
): Flag<readonly string[]> {
  return flag<readonly string[]>(help, placeholder, [], (s) => s, { ...more, repeated: true });
}

/** A word that stands for all words that are left: at least one. */
export function restOf(spec: Flag<readonly string[]>): Flag<readonly string[] | null> {
  return { ...spec, default: null, repeated: true };
}

/** A list with commas. `parseItem` throws a UsageError that completes the sentence "--name: ...". */
export function commaListFlag<T>(
  help: string,
  parseItem: (text: string) => T,
  more: Common & { placeholder?: string } = {},
): Flag<readonly T[] | null> {
  const parse = (text: string): readonly T[] =>
    text.split(",").map((item) => parseItem(item.trim()));
  return flag<readonly T[] | null>(help, more.placeholder ?? "LIST", null, parse, more);
}

/** Words up to the next flag. `parseItem` as above. */
export function wordListFlag<T>(
  help: string,
  parseItem: (text: string) => T,
  more: Common & { placeholder?: string } = {},
): Flag<readonly T[]> {
  const placeholder = more.placeholder ?? "[X ...]";
  return flag<readonly T[]>(help, placeholder, [], parseItem, { ...more, variadic: true });
}

export function intsFlag(help: string, more: Common & Ranged = {}): Flag<readonly number[]> {
  const { parse } = intFlag(help, more);
  return flag<readonly number[]>(help, "[N ...]", [], parse, { ...more, variadic: true });
}

export function switchFlag(help: string, more: Common = {}): Flag<boolean> {
  return flag(help, null, false, () => true, more);
}

/** @param more.unbuilt Values of the original tool that are usage errors, and what to do instead. */
export function choiceFlag<const C extends string, D extends C | null = null>(
  help: string,
  choices: readonly C[],
  more: Common & { default?: D; unbuilt?: Readonly<Record<string, string>> } = {},
): Flag<OrNull<C, D>> {
  const parse = (text: string) => {
    if ((choices as readonly string[]).includes(text)) return text;
    const instead = more.unbuilt?.[text];
    if (instead !== undefined) throw new UsageError(`${text} is not built yet; ${instead}`);
    throw new UsageError(`'${text}' is not one of ${choices.join(", ")}${nearest(text, choices)}`);
  };
  return flag(help, choices.join("|"), (more.default ?? null) as OrNull<C, D>, parse, {
    ...more,
    choices,
  });
}

/** @param more.units Whether 25.6k and 1M (times 1000) and 1Ki and 1Mi (times 1024) are numbers too, as in SGLang. */
export function intFlag<const D extends number | null = null>(
  help: string,
  {
    placeholder = "N",
    min,
    max,
    units = false,
    ...more
  }: Common & Ranged & { placeholder?: string; default?: D; units?: boolean } = {},
): Flag<OrNull<number, D>> {
  const parse = (text: string) => {
    const plain = /^\s*[+-]?\d+(_\d+)*\s*$/.test(text) ? Number(text.replaceAll("_", "")) : NaN;
    const value = units && Number.isNaN(plain) ? withUnit(text) : plain;
    if (!Number.isSafeInteger(value)) throw new UsageError(`'${text}' is not a whole number`);
    return inRange(value, min, max);
  };
  return flag(help, placeholder, (more.default ?? null) as OrNull<number, D>, parse, more);
}

const unitSizes: Readonly<Record<string, number>> = {
  k: 1000,
  M: 1000 ** 2,
  Ki: 1024,
  Mi: 1024 ** 2,
};

/** "25.6k" is 25600; a fraction of a token is dropped. NaN for anything else. */
function withUnit(text: string): number {
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)(k|M|Ki|Mi)\s*$/.exec(text) ?? [];
  if (amount === undefined) return NaN;
  // Rounded first at a millionth: 1.1 * 1000 is a little more than 1100.
  return Math.floor(Number((Number(amount) * unitSizes[unit!]!).toFixed(6)));
}

export function numberFlag<const D extends number | null = null>(
  help: string,
  {
    placeholder = "X",
    min,
    max,
    ...more
  }: Common & Ranged & { placeholder?: string; default?: D } = {},
): Flag<OrNull<number, D>> {
  const parse = (text: string) => {
    const word = text
      .trim()
      .toLowerCase()
      .replaceAll(/(?<=\d)_(?=\d)/g, "");
    const value = /^[+]?inf(inity)?$/.test(word)
      ? Infinity
      : /^[\d.e+-]+$/.test(word)
        ? Number(word)
        : NaN;
    if (Number.isNaN(value)) throw new UsageError(`'${text}' is not a number`);
    return inRange(value, min, max);
  };
  return flag(help, placeholder, (more.default ?? null) as OrNull<number, D>, parse, more);
}

/** A value that must be a JSON object. It stays text: parsed, it would no longer say 1.0 or hold long integers. */
export function jsonFlag(help: string, more: Common = {}): Flag<string | null> {
  return flag<string | null>(help, "JSON", null, checkedObject, more);
}

function checkedObject(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = (error as Error).message;
    throw new UsageError(`'${text}' is not JSON (${why}); expected an object like {"top_k": 5}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return text;
  throw new UsageError(`must be a JSON object like {"top_k": 5}, not ${text}`);
}

/**
 * A flag of the original tool that would change results or capacity and is not built: using it is an error, and
 * `allowed` names the values that mean what happens anyway.
 */
export function unbuiltFlag(
  help: string,
  reason: string,
  allowed: readonly string[] = [],
  more: Common & { placeholder?: string | null } = {},
): Flag<null> {
  const parse = (text: string) => {
    if (allowed.includes(text)) return null;
    const given = text === "" ? "" : ` (${text})`;
    throw new UsageError(`not built yet${given}: ${reason}`);
  };
  const text = `${help} Not built yet: ${reason}.`;
  return flag(text, more.placeholder === undefined ? "X" : more.placeholder, null, parse, more);
}

/** Marks a flag that the command cannot do without. */
export function required<T>(spec: Flag<T | null>): Flag<T> {
  return { ...spec, required: true } as Flag<T>;
}

function inRange(value: number, min = -Infinity, max = Infinity): number {
  if (value >= min && value <= max) return value;
  const allowed =
    max === Infinity
      ? `at least ${min}`
      : min === -Infinity
        ? `at most ${max}`
        : `from ${min} to ${max}`;
  throw new UsageError(`${value} is out of range: it must be ${allowed}`);
}

/** The name of the flag that `written` (without dashes) means: exact, alias or unambiguous prefix. */
export function resolveFlag(flags: Flags, written: string): string {
  const spellings = Object.entries(flags).flatMap(([name, { aliases, extension }]) =>
    [name, ...aliases].map((spelling) => ({ spelling, name, extension })),
  );
  const exact = spellings.find((s) => s.spelling === written);
  if (exact) return exact.name;
  const prefixed = spellings.filter((s) => written !== "" && s.spelling.startsWith(written));
  const original = prefixed.filter((s) => !s.extension);
  const names = [...new Set((original.length > 0 ? original : prefixed).map((s) => s.name))];
  if (names.length === 1) return names[0]!;
  if (names.length > 1) {
    throw new UsageError(
      `--${written} is ambiguous: it could be ${names.map((n) => `--${n}`).join(", ")}`,
    );
  }
  const known = spellings.map((s) => `--${s.spelling}`);
  throw new UsageError(`unknown flag --${written}${nearest(`--${written}`, known)}`);
}

/**
 * Parses a command line of flags and of `words`, which are told apart by their order alone.
 * @throws UsageError for an unknown or ambiguous flag, a missing or malformed value, a missing required flag or
 * word, a word too many.
 */
export function parseFlags<F extends Flags, W extends Flags = {}>(
  flags: F,
  argv: readonly string[],
  words: W = {} as W,
): FlagValues<F & W> {
  const given = new Map<string, unknown>();
  const wordsLeft = Object.entries(words);
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!isFlag(flags, word)) {
      const [name, spec] = wordsLeft[0] ?? [];
      if (!name || !spec) throw new UsageError(`unexpected word '${word}': flags begin with --`);
      const value = parseValue(name, spec, word);
      given.set(name, spec.repeated ? [...((given.get(name) as unknown[]) ?? []), value] : value);
      if (!spec.repeated) wordsLeft.shift();
      continue;
    }
    const equals = word.indexOf("=");
    const name = resolveFlag(
      flags,
      word.slice(word.startsWith("--") ? 2 : 1, equals < 0 ? undefined : equals),
    );
    const spec = flags[name]!;
    let text = equals < 0 ? undefined : word.slice(equals + 1);
    if (spec.variadic) {
      const texts = text === undefined ? wordsFrom(argv, i + 1) : [text];
      if (text === undefined) i += texts.length;
      given.set(
        name,
        texts.map((item) => parseValue(`--${name}`, spec, item)),
      );
      continue;
    }
    if (spec.placeholder === null) {
      if (text !== undefined) throw new UsageError(`--${name} is a switch and takes no value`);
      text = "";
    } else if (text === undefined) {
      text = argv[++i];
      if (text === undefined || /^--\S+$/.test(text)) {
        throw new UsageError(`--${name} needs a value (${spec.placeholder})`);
      }
    }
    const value = parseValue(`--${name}`, spec, text);
    given.set(name, spec.repeated ? [...((given.get(name) as unknown[]) ?? []), value] : value);
  }
  const missing = wordsLeft.find(([name, spec]) => spec.required && !given.has(name));
  if (missing) throw new UsageError(`the ${missing[0]} is missing: name ${missing[1].placeholder}`);
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(words)) {
    values[camelCase(name)] = given.has(name) ? given.get(name) : spec.default;
  }
  for (const [name, spec] of Object.entries(flags)) {
    if (spec.required && !given.has(name)) throw new UsageError(`--${name} is required`);
    values[camelCase(name)] = given.has(name) ? given.get(name) : spec.default;
  }
  return values as FlagValues<F & W>;
}

/** `--name`, or `-n` where that is an alias: words may begin with a dash, as -1 does. */
function isFlag(flags: Flags, word: string): boolean {
  if (word.startsWith("--")) return true;
  const [, letter] = /^-([a-z])(?:=|$)/i.exec(word) ?? [];
  return (
    letter !== undefined && Object.values(flags).some(({ aliases }) => aliases.includes(letter))
  );
}

/** The flags of a command line that parses, each with its own words and under its full name; words that belong to none are left out. */
export function givenFlags(
  flags: Flags,
  argv: readonly string[],
): { readonly name: string; readonly words: readonly string[] }[] {
  const given: { name: string; words: readonly string[] }[] = [];
  for (let i = 0; i < argv.length;) {
    const word = argv[i]!;
    if (!isFlag(flags, word)) {
      i++;
      continue;
    }
    const equals = word.indexOf("=");
    const name = resolveFlag(
      flags,
      word.slice(word.startsWith("--") ? 2 : 1, equals < 0 ? undefined : equals),
    );
    const { placeholder, variadic } = flags[name]!;
    const follows =
      equals >= 0 || placeholder === null ? 0 : variadic ? wordsFrom(argv, i + 1).length : 1;
    const values = equals >= 0 ? [word.slice(equals + 1)] : argv.slice(i + 1, i + 1 + follows);
    given.push({ name, words: [`--${name}`, ...values] });
    i += 1 + follows;
  }
  return given;
}

/** The words from `start` up to the next flag. */
function wordsFrom(argv: readonly string[], start: number): string[] {
  const rest = argv.slice(start);
  const end = rest.findIndex((word) => word.startsWith("--"));
  return end < 0 ? rest : rest.slice(0, end);
}

/** @param label What the user calls it: "--port", or the name of a word. */
function parseValue(label: string, spec: Flag<unknown>, text: string): unknown {
  try {
    return spec.parse(text);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${label}: ${error.message}`);
    throw error;
  }
}

export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
