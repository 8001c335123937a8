/** Runs as files that other programs read. */
import { jsonDumps, type PythonValue } from "../python-values.ts";
import type { ListedRun, Value } from "./columns.ts";
import { csv } from "./formats.ts";

/** As bench writes them. */
export const resultLines = (runs: readonly ListedRun[]): string =>
  runs.map(({ saved }) => `${jsonDumps(saved.fields as Record<string, PythonValue>)}\n`).join("");

/** A column for what is known around a run, and one for each key; of objects, key.key. Lists are JSON. */
export function resultsCsv(runs: readonly ListedRun[]): string {
  const flat = runs.map(({ name, session, at, system, note, command, saved }) => {
    const { command: _, ...fields } = saved.fields;
    return new Map<string, Value>([
      ...Object.entries({ run: name, session, at, system, note, command }),
      ...leaves(fields, ""),
    ]);
  });
  const names = [...new Set(flat.flatMap((values) => [...values.keys()]))];
  return csv({ names, rows: flat.map((values) => names.map((key) => values.get(key) ?? null)) });
}

function leaves(fields: object, prefix: string): [string, Value][] {
  return Object.entries(fields).flatMap(([key, value]: [string, unknown]): [string, Value][] => {
    if (Array.isArray(value)) return [[prefix + key, JSON.stringify(value)]];
    if (typeof value === "object" && value !== null) return leaves(value, `${prefix}${key}.`);
    return [[prefix + key, value as Value]];
  });
}
