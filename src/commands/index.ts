/** The one command table: main, help and (later) the session and the generated docs read it. */
import type { Command } from "./command.ts";
import { bench } from "./bench.ts";
import { serve } from "./serve.ts";

export const commands: readonly Command[] = [serve, bench];

export function findCommand(name: string): Command | undefined {
  return commands.find((c) => c.name === name || c.aliases.includes(name));
}
