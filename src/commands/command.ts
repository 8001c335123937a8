/** A command of the program: one row of the table in `index.ts`. */
import { parseFlags, type Flags, type FlagValues } from "./flags.ts";

/** Where a command talks to its user. */
export interface CommandIo {
  stdout(text: string): void;
  stderr(text: string): void;
  /** Whether standard error is a terminal that takes colours and redrawn lines. */
  readonly isTerminal: boolean;
  readonly columns: number;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Flags that help shows together. */
export interface FlagGroup {
  readonly title: string;
  readonly names: readonly string[];
  /** Names alone: they are explained elsewhere. */
  readonly brief?: boolean;
}

export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** One line for the list of commands. */
  readonly summary: string;
  /** A paragraph for `--help`. */
  readonly description: string;
  readonly examples: readonly { readonly line: string; readonly says: string }[];
  /** Words without dashes that the command needs, in their order, e.g. `offline` in `reproduce offline`. */
  readonly words: Flags;
  readonly flags: Flags;
  /** Of many flags, in the order of help. */
  readonly groups?: readonly FlagGroup[];
  /** Parses `argv` and runs. Resolves to the exit code. */
  run(argv: readonly string[], io: CommandIo): Promise<number>;
}

export function defineCommand<const F extends Flags, const W extends Flags = {}>(
  spec: Omit<Command, "flags" | "words" | "run" | "aliases"> & {
    readonly aliases?: readonly string[];
    readonly words?: W;
    readonly flags: F;
    /** `argv` is what `values` were parsed from. */
    readonly run: (
      values: FlagValues<F & W>,
      io: CommandIo,
      argv: readonly string[],
    ) => Promise<number>;
  },
): Omit<Command, "flags"> & { readonly flags: F } {
  const words = spec.words ?? ({} as W);
  return {
    ...spec,
    words,
    aliases: spec.aliases ?? [],
    run: async (argv, io) => spec.run(parseFlags(spec.flags, argv, words), io, argv),
  };
}
