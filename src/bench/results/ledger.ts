/**
 * The output file of many runs is their memory: a run whose line is there is done. Each line says which command
 * against which server gave it, so that another scale or model is another run.
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { type Fields, parseFields } from "./lines.ts";

export interface Ledger<R> {
  /** The line of each run that is done. */
  readonly done: ReadonlyMap<R, Fields>;
  /** All lines of the file as they are, also those of other runs. */
  readonly lines: readonly string[];
}

/** @param server As the lines name it; with a run's command it tells the run's line. */
export function readLedger<R extends { readonly command: string }>(
  outputFile: string,
  server: string,
  runs: readonly R[],
): Ledger<R> {
  const text = existsSync(outputFile) ? readFileSync(outputFile, "utf8") : "";
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const parsed = lines.map(parseFields).filter((fields) => fields !== null);
  const done = new Map<R, Fields>();
  for (const run of runs) {
    const line = parsed.findLast(
      (fields) => fields["command"] === run.command && fields["server"] === server,
    );
    if (line) done.set(run, line);
  }
  return { done, lines };
}

/** Moves the lines out of the way; null if there are none, else where they are now. */
export function setAside(outputFile: string, now: Date): string | null {
  if (!existsSync(outputFile)) return null;
  const time = now.toISOString().slice(0, 19).replaceAll(":", "-");
  const aside = besideOutput(outputFile, `.${time}.jsonl`);
  renameSync(outputFile, aside);
  return aside;
}

/** Files beside the output file: "x.jsonl" gives "x.incomplete.jsonl" or "x.server.log". */
export function besideOutput(outputFile: string, ending: string): string {
  return outputFile.replace(/(\.jsonl)?$/, ending);
}
