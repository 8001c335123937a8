/** What a reproduction is going to do, as plain data: which runs, against what, and where the results go. */
import type { BenchOptions } from "../options.ts";
import type { ServerChoice } from "../loaded-server.ts";
import type { Recipe } from "./recipes.ts";

export interface PlannedRun {
  /** "offline 1". */
  readonly name: string;
  /** The equivalent command line, but for where the server is and where the result goes. */
  readonly command: string;
  /** The same as `servebench bench` understands it. */
  readonly options: BenchOptions;
}

/** A server to start, or one that runs already. */
export type PlannedServer =
  | {
      readonly kind: "own";
      /** Flags of `servebench serve`. */
      readonly flags: readonly string[];
      readonly memory: ModelMemory;
    }
  | { readonly kind: "running"; readonly baseUrl: string };

export interface ModelMemory {
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  readonly freeBytes: number;
}

export interface Plan {
  readonly recipe: Recipe;
  readonly server: PlannedServer;
  readonly runs: readonly PlannedRun[];
  /** One line for each run that is done. */
  readonly outputFile: string;
}

/** The command that a user would type to start the planned server, or the address of the running one. */
export function serverText(server: ServerChoice): string {
  return server.kind === "own" ? commandLine("launch_server", server.flags) : server.baseUrl;
}

export function commandLine(command: string, words: readonly string[]): string {
  return ["servebench", command, ...words.map(shellWord)].join(" ");
}

/** The word as a shell must be given it. */
export function shellWord(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
