/** The process tree as /proc shows it, and the means to end all of it. */
import { readdirSync, readFileSync } from "node:fs";
import { runtime } from "../runtime/index.ts";

const setChildSubreaper = 36; // PR_SET_CHILD_SUBREAPER of prctl(2)

/**
 * From now on a descendant whose parent dies becomes this process's child, also when it has left the process
 * group, so that `descendants` finds it. Where the kernel refuses, such strays are not found.
 */
export function adoptOrphans(): void {
  try {
    const prctl = { args: ["i32", "i32", "i32", "i32", "i32"], returns: "i32" } as const;
    runtime.open("libc.so.6", { prctl }).prctl(setChildSubreaper, 1, 0, 0, 0);
  } catch {
    return; // another libc: children and their living offspring are found all the same
  }
}

/** Ids of the living processes that descend from `root`, parents before children. */
export function descendants(root: number): number[] {
  const childrenOf = Map.groupBy(livingProcesses(), ({ parent }) => parent);
  const below = (pid: number): number[] =>
    (childrenOf.get(pid) ?? []).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(root);
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
}

function livingProcesses(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readEntry(Number(name)) ?? []);
}

/** null for a process that has ended. */
function readEntry(pid: number): ProcessEntry | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything; the state and the parent come after it.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? null : { pid, parent: Number(parent) };
  } catch {
    return null;
  }
}

/** What the kernel gets to end a killed process: one that holds a GPU takes seconds. */
const dyingMs = 10_000;

/**
 * Ends every descendant of this process, and those that they fork meanwhile; returns when they are gone. Blocks,
 * so that it can be the last thing that a process does.
 */
export function killDescendants(): void {
  const deadlineMs = performance.now() + dyingMs;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let pids = descendants(process.pid); pids.length > 0; pids = descendants(process.pid)) {
    for (const pid of pids) signal(pid, "SIGKILL");
    if (performance.now() > deadlineMs) return;
    Atomics.wait(pause, 0, 0, 2);
  }
}

/** Sends a signal; false when there is no such process any more. A negative id means its process group. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
