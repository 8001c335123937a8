/** Plays sessions of the built program: on a pseudo-terminal, or from a script. */
import { readdirSync, readFileSync } from "node:fs";
import { binary, run } from "../support/binary.ts";
import { PseudoTerminal, type PseudoTerminalOptions } from "../support/pseudo-terminal.ts";
import type { Ended } from "../support/run.ts";

const { NO_COLOR: _, CI: _ci, ...inherited } = process.env as Record<string, string>;

const environment = (home: string, more: Record<string, string> = {}) => ({
  ...inherited,
  SERVEBENCH_HOME: home,
  SHELL: "/bin/sh",
  TZ: "UTC",
  ...more,
});

export class PlayedSession extends PseudoTerminal {
  /** @param home Where the session keeps its data. */
  constructor(home: string, args: readonly string[], options: PseudoTerminalOptions = {}) {
    const env = environment(home, options.env);
    super([binary, ...args], { columns: 100, rows: 50, ...options, env });
  }

  /** Enters a line and gives what is shown between it and the next prompt. */
  async answer(line: string): Promise<string> {
    await this.enter(line);
    await this.prompt();
    const rows = this.screen.all;
    const typed = rows.findLastIndex((row) => row.endsWith(`> ${line}`));
    return rows.slice(typed + 1, -1).join("\n");
  }
}

export interface ScriptOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** `servebench repl < script`. */
export function runScript(
  home: string,
  script: string | Uint8Array<ArrayBuffer>,
  { cwd, env = {} }: ScriptOptions = {},
): Promise<Ended> {
  return run(["repl"], {
    ...(cwd === undefined ? {} : { cwd }),
    env: environment(home, env),
    stdin: new Blob([script]),
  });
}

/** What changes from run to run becomes #, and columns that follow from it one blank. */
export const masked = (text: string): string =>
  text
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?/g, "DATE")
    .replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")
    .replaceAll(/(\d+\.)?\d+ (s|KiB|MiB)\b/g, "# $2")
    .replaceAll(/[+-]?\d+(\.\d+)? %/g, "# %")
    .replaceAll(/\d+\.\d+/g, "#")
    .replaceAll(/\b\d{4,}\b/g, "#")
    .replaceAll(/ {2,}/g, "  ");

export interface Descendant {
  readonly pid: number;
  readonly command: string;
}

/** All that a process has started, and what that has. */
export function descendants(pid: number): Descendant[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), parent: Number(parent), command }];
      } catch {
        return []; // it has ended meanwhile
      }
    });
  const of = (parent: number): Descendant[] =>
    all.flatMap((one) => (one.parent === parent ? [one, ...of(one.pid)] : []));
  return of(pid).map(({ pid: id, command }) => ({ pid: id, command }));
}

export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}

/** Waits until it is so. */
export async function until(is: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!is()) {
    if (Date.now() > deadline) throw new Error(`never so: ${what}`);
    await Bun.sleep(20);
  }
}
