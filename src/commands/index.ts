/** The one command table: main, help, the session and the generated docs read it. */
import type { Command } from "./command.ts";
import { bench } from "./bench.ts";
import { chat } from "./chat.ts";
import { compare } from "./compare.ts";
import { annotate, deleteCommand, relabel } from "./edit-runs.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { doctor } from "./doctor.ts";
import { kernels } from "./kernels.ts";
import { mock } from "./mock.ts";
import { plot } from "./plot.ts";
import { report } from "./report.ts";
import { reproduce } from "./reproduce.ts";
import { results } from "./results.ts";
import { serve } from "./serve.ts";
import { searchCommand, sweep } from "./sweep.ts";
import { table } from "./table.ts";
import { superviseCommand } from "./supervise.ts";

export const commands: readonly Command[] = [
  serve,
  bench,
  sweep,
  searchCommand,
  compare,
  report,
  reproduce,
  mock,
  results,
  table,
  plot,
  exportCommand,
  importCommand,
  annotate,
  relabel,
  deleteCommand,
  chat,
  kernels,
  doctor,
];
/** Understood, but not for people: our own processes start one another by them. */
const internalCommands: readonly Command[] = [superviseCommand];

export function findCommand(name: string): Command | undefined {
  const all = [...commands, ...internalCommands];
  return all.find((c) => c.name === name || c.aliases.includes(name));
}
