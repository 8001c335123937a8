/** What `set` and `use` add to the command lines of jobs, unless the user says otherwise. */
import type { Command } from "../commands/command.ts";
import { type Flag, type Flags, parseFlags, resolveFlag } from "../commands/flags.ts";
import { nearest } from "../nearest.ts";
import { UsageError } from "../user-error.ts";
import type { Session } from "./session.ts";

/** Flags that say which server is loaded: with one of them the server in use is not meant. */
const serverFlags = ["base-url", "host", "port", "serve", "model-path", "server-args", "system"];
const prefix = "default.";

export class Defaults {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Flags that some job takes, by name. */
  get flags(): Flags {
    const all = this.#session.programCommands
      .toReversed()
      .flatMap(({ flags }) => Object.entries(flags));
    return Object.fromEntries(all);
  }

  /** @throws UsageError with near names. */
  flag(name: string): Flag<unknown> {
    const { flags } = this;
    if (Object.hasOwn(flags, name)) return flags[name]!;
    const names = Object.keys(flags);
    throw new UsageError(
      `no command has a flag --${name}${nearest(name, names)}; set takes the names of flags, like num-prompts`,
    );
  }

  /** By flag, its values' words. */
  get all(): Readonly<Record<string, readonly string[]>> {
    const { store, name } = this.#session;
    const entries = Object.entries(store.settings(name)).filter(([key]) => key.startsWith(prefix));
    return Object.fromEntries(
      entries.map(([key, value]) => [key.slice(prefix.length), JSON.parse(value) as string[]]),
    );
  }

  /** @param words null forgets it. @throws UsageError for a value that the flag does not take. */
  set(name: string, words: readonly string[] | null): void {
    const flag = this.flag(name);
    if (words !== null) parseFlags({ [name]: flag }, [`--${name}`, ...words]);
    this.#session.store.setSetting(
      this.#session.name,
      prefix + name,
      words && JSON.stringify(words),
    );
  }

  /** Words to be added to a command line. */
  wordsFor(command: Command, argv: readonly string[]): string[] {
    const given = givenNames(command.flags, argv);
    const set = Object.entries(this.all);
    const fits = (name: string): boolean => name in command.flags && !given.has(name);
    const server = this.loadsServerInUse(command, argv) ? this.#serverWords() : {};
    const wanted = set.filter(([name]) => !(name in server));
    const words = [...wanted, ...Object.entries(server)]
      .filter(([name]) => fits(name))
      .flatMap(([name, values]) => [`--${name}`, ...values]);
    return [...words, ...this.sessionWordsFor(command, argv)];
  }

  /** Runs are looked for in this session, where labels of others mean something else, unless the line names one. */
  sessionWordsFor(command: Command, argv: readonly string[]): string[] {
    const { flags, words, name } = command;
    if (!("session" in flags) || givenNames(flags, argv).has("session")) return [];
    const { run, where } = parseFlags(flags, argv, words) as {
      readonly run?: string | readonly string[] | null;
      readonly where?: readonly string[];
    };
    // delete wants to be told which runs; the session alone would be all of them.
    const tells = (run?.length ?? 0) + (where?.length ?? 0) > 0;
    return name === "delete" && !tells ? [] : ["--session", this.#session.name];
  }

  /** Whether a command line means the server in use. */
  loadsServerInUse(command: Command, argv: readonly string[]): boolean {
    const given = givenNames(command.flags, argv);
    const { inUse } = this.#session;
    return (
      inUse !== null &&
      inUse.state === "ready" &&
      "base-url" in command.flags &&
      !serverFlags.some((name) => given.has(name))
    );
  }

  #serverWords(): Record<string, string[]> {
    const { baseUrl, backend, model, tokenizer } = this.#session.inUse!;
    return {
      "base-url": [baseUrl],
      backend: [backend],
      ...(model === null ? {} : { model: [model] }),
      ...(tokenizer === null ? {} : { tokenizer: [tokenizer] }),
    };
  }
}

/** Full names of the flags in a command line that may have mistakes. */
function givenNames(flags: Flags, argv: readonly string[]): ReadonlySet<string> {
  const names = argv
    .filter((word) => word.startsWith("--"))
    .flatMap((word) => {
      try {
        return [resolveFlag(flags, word.slice(2).split("=")[0]!)];
      } catch {
        return [];
      }
    });
  return new Set(names);
}
