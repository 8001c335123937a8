/** What a reproduction is going to do, as plain data: which runs, against what, and where the results go. */
import type { BenchOptions } from "../options.ts";
import type { ServerChoice } from "../loaded-server.ts";
import type { RecipeName } from "./recipes.ts";

export interface PlannedRun {
  readonly recipe: RecipeName;
  /** From 1. */
  readonly number: number;
  /** The equivalent command line, but for where the server is and where the result goes. */
  readonly command: string;
  /** The same as `servebench bench` understands it. */
  readonly options: BenchOptions;
  /** Its line is appended here. */
  readonly outputFile: string;
}

export interface ModelMemory {
  readonly parameters: number;
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  readonly freeBytes: number;
}

/** All runs against one system that serves one model. */
export interface Series {
  /** A column of the tables: "servebench", "vllm". */
  readonly system: string;
  /** Its name in requests. */
  readonly model: string;
  readonly server: ServerChoice;
  /** null where the server is not ours, so that its memory is not known. */
  readonly memory: ModelMemory | null;
  readonly runs: readonly PlannedRun[];
  readonly logFile: string;
}

export interface Plan {
  readonly series: readonly Series[];
  /** Of the published number of prompts. */
  readonly scale: number;
  /** The page and the tables, without the ending. */
  readonly reportFile: string;
}

/** "offline 1". */
export const runName = ({ recipe, number }: Pick<PlannedRun, "recipe" | "number">): string =>
  `${recipe} ${number}`;

/** Each once, in their order. */
export function outputFiles(plan: Plan): string[] {
  return [
    ...new Set(plan.series.flatMap((series) => series.runs.map(({ outputFile }) => outputFile))),
  ];
}
