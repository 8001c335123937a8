/** Takes runs of files into the store. */
import { statSync } from "node:fs";
import { type Fields, readResultFile, type SavedRun, textOf } from "../bench/results/lines.ts";
import { type KeptRun, matchRecords, readRecordFile } from "../bench/results/records.ts";
import type { Store, StoredRun } from "../store/index.ts";

/** A text that compresses to what a database takes, and that fits into a string. */
const recordsBytesMax = 400e6;

export interface Kept {
  readonly session: string;
  /** null: as lines say it. */
  readonly system: string | null;
}

export interface KeptRuns {
  readonly runs: readonly StoredRun[];
  /** What was not taken in, and why. */
  readonly notes: readonly string[];
}

/**
 * Lines that the session already has are not added again.
 * @throws UserError when a file cannot be read or holds nothing of its kind.
 */
export function keepRuns(
  store: Store,
  resultFile: string,
  recordFiles: readonly string[],
  kept: Kept,
): KeptRuns {
  const { runs, skipped } = readResultFile(resultFile);
  const large = recordFiles.filter(
    (file) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > recordsBytesMax,
  );
  const recorded = recordFiles
    .filter((file) => !large.includes(file))
    .flatMap((file) => readRecordFile(file, true));
  const { records, left } = matchRecords(runs, recorded);
  const linesOf = new Map(recorded.map((run: KeptRun) => [run.measurements, run.lines]));
  const stored = runs.map((run) => {
    const lines = linesOf.get(records.get(run)!);
    return store.addRun({
      ...runOf(run, kept),
      recordsJsonl: lines ? `${lines.join("\n")}\n` : null,
    });
  });
  const notes = [
    ...(skipped === 0 ? [] : [`${resultFile}: ${skipped} of the lines are no result lines.`]),
    ...large.map((file) => `${file} is over 400 MB and stays a file: name it with --records.`),
    ...(left === 0 ? [] : [`${left} recorded runs belong to no result line.`]),
  ];
  return { runs: stored, notes };
}

function runOf({ fields }: SavedRun, { session, system }: Kept) {
  const { client_machine: machine, servebench } = fields;
  return {
    session,
    at: textOf(fields, "started_at") ?? new Date().toISOString(),
    command: textOf(fields, "command") ?? "",
    system: system ?? textOf(fields, "server") ?? addressOf(fields) ?? textOf(fields, "backend")!,
    fields,
    environment: { client_machine: machine ?? null, servebench: servebench ?? null },
    server: null,
  };
}

/** As the command line says it; null if it does not. */
function addressOf(fields: Fields): string | null {
  const command = textOf(fields, "command") ?? "";
  const value = (flag: string): string | undefined =>
    new RegExp(`--${flag}[= ](\\S+)`).exec(command)?.[1];
  const [host, port] = [value("host"), value("port")];
  if (host === undefined && port === undefined) return value("base-url") ?? null;
  return value("base-url") ?? `${host ?? "127.0.0.1"}${port === undefined ? "" : `:${port}`}`;
}
