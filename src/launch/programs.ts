/** Finds the programs of other engines: in the active virtual environment, in one of this folder, in PATH. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

export interface WantedProgram {
  /** Names in the order of preference. */
  readonly names: readonly string[];
  /** A Python module that the program, an interpreter, must have. */
  readonly module?: string;
}

/** Where programs are looked for, in this order. */
export function searchFolders(): readonly string[] {
  const { VIRTUAL_ENV, PATH } = process.env;
  const environments = [VIRTUAL_ENV ?? "", ".venv", "venv"].filter((folder) => folder !== "");
  const path = (PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return [...new Set([...environments.map((folder) => resolve(folder, "bin")), ...path])];
}

/** Path of the program; null where none of `folders` has it. */
export function findProgram(wanted: WantedProgram, folders: readonly string[]): string | null {
  const candidates = folders.flatMap((folder) => wanted.names.map((name) => join(folder, name)));
  const { module } = wanted;
  const fits = (path: string): boolean => module === undefined || hasModule(path, module);
  return candidates.find((path) => isProgram(path) && fits(path)) ?? null;
}

/** The folders where a program may be that a user has named: the program itself, its folder, its environment. */
export function foldersOf(named: string): readonly string[] {
  const path = resolve(named);
  return isProgram(path) ? [resolve(path, "..")] : [join(path, "bin"), path];
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const importMs = 20_000;

function hasModule(python: string, module: string): boolean {
  const code = `import importlib.util as u, sys; sys.exit(u.find_spec("${module}") is None)`;
  return spawnSync(python, ["-c", code], { stdio: "ignore", timeout: importMs }).status === 0;
}

/** Programs whose name is near one that is wanted, by name. */
export function similarPrograms(wanted: WantedProgram, folders: readonly string[]): string[] {
  const stems = wanted.names.map((name) => name.slice(0, 4));
  const names = new Set(folders.flatMap(namesIn));
  return [...names].filter((name) => stems.some((stem) => name.includes(stem))).slice(0, 5);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
