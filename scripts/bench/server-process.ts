/** What can be seen of a running server from outside: its memory, files and processor time, and its own figures. */
import { readdirSync, readFileSync } from "node:fs";

/** Of the machine's clock, as /proc counts. */
const ticksPerS = 100;

export interface ProcessFigures {
  readonly rssBytes: number;
  readonly openFiles: number;
  readonly threads: number;
  /** Processor time since its start, of all threads. */
  readonly cpuS: number;
}

export function processFigures(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return {
    rssBytes: number("VmRSS") * 1024,
    openFiles: readdirSync(`/proc/${pid}/fd`).length,
    threads: number("Threads"),
    cpuS: (Number(stat[11]) + Number(stat[12])) / ticksPerS,
  };
}

/** The most files that a process may have open, as `ulimit -n` tells. */
export function openFilesMax(pid: number | "self"): number {
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)![1]);
}

/** The server's samples by name, without labels (those of several series are added). */
export async function metrics(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`, { keepalive: false });
  if (!response.ok) throw new Error(`/metrics answers ${response.status}`);
  const samples = new Map<string, number>();
  for (const [, name, value] of (await response.text()).matchAll(/^([\w:]+)(?:\{.*\})? (\S+)/gm)) {
    samples.set(name!, (samples.get(name!) ?? 0) + Number(value));
  }
  return samples;
}

export const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
