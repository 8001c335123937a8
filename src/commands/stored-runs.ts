/** Finds the runs that a command is about, in the store and in files. */
import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Measurements } from "../bench/measurements.ts";
import { meets, parseCondition, parseSortKey, sorted } from "../bench/results/choice.ts";
import type { ListedRun } from "../bench/results/columns.ts";
import { readResultFile, type SavedRun, textOf } from "../bench/results/lines.ts";
import {
  matchRecords,
  readRecordFile,
  type RecordedRun,
  recordedRuns,
} from "../bench/results/records.ts";
import { nearest } from "../nearest.ts";
import { Store, storePath, type StoredRun } from "../store/index.ts";
import { UsageError, UserError } from "../user-error.ts";
import type { CommandIo } from "./command.ts";
import { named } from "./named.ts";
import type { OrderValues, SelectionValues } from "./selection.ts";

export function openStore(io: Pick<CommandIo, "stderr">): Store {
  return Store.open(storePath(), (line) => io.stderr(`${line}\n`));
}

export function listed(run: StoredRun): ListedRun {
  const { id, session, label, at, system, command, note, hasRecords, fields } = run;
  const saved = { file: `${session}/${label}`, line: null, fields };
  return { saved, name: label, id, session, at, system, command, note, hasRecords };
}

function listedLine(saved: SavedRun, name: string): ListedRun {
  const { fields } = saved;
  return {
    saved,
    name,
    id: null,
    session: null,
    at: textOf(fields, "started_at"),
    system: textOf(fields, "server"),
    command: textOf(fields, "command"),
    note: null,
    hasRecords: Array.isArray(fields["ttfts"]),
  };
}

export class RunFinder {
  readonly #io: Pick<CommandIo, "stderr">;
  readonly #recordFiles: readonly string[];
  #store: Store | null = null;
  #recorded: readonly RecordedRun[] | null = null;

  /** @param recordFiles Records of runs in files. */
  constructor(io: Pick<CommandIo, "stderr">, recordFiles: readonly string[] = []) {
    this.#io = io;
    this.#recordFiles = recordFiles;
  }

  get store(): Store {
    return (this.#store ??= openStore(this.#io));
  }

  close(): void {
    this.#store?.close();
  }

  /** The runs that words and flags choose: in the order of the words, or as they were added. @throws UserError */
  select(values: SelectionValues & Partial<OrderValues>, lastIfNotSaid = Infinity): ListedRun[] {
    const all = this.named(values.run, values.session);
    const conditions = values.where.map((text) =>
      named("--where", () => parseCondition(text, all)),
    );
    const met = all.filter((run) => conditions.every((condition) => meets(run, condition)));
    const ofSystem = only(met, "system", values.system, (run) => [run.system]);
    const left = only(ofSystem, "dataset", values.dataset, ({ saved: { fields } }) => [
      textOf(fields, "dataset_name"),
      textOf(fields, "dataset_source"),
    ]);
    const count = values.last ?? lastIfNotSaid;
    const newest = left.slice(-Math.min(count, left.length) || left.length);
    const keys = (values.sort ?? "").split(",").filter((text) => text.trim() !== "");
    return sorted(
      newest,
      keys.map((text) => named("--sort", () => parseSortKey(text.trim(), all))),
    );
  }

  /** Runs by labels and files; all of the store, or of its session, for no word. */
  named(words: readonly string[], session: string | null): ListedRun[] {
    if (words.length > 0) return words.flatMap((word) => this.#byWord(word, session));
    if (session !== null) this.#checkSession(session);
    return this.store.runs(session === null ? {} : { session }).map(listed);
  }

  /** The records of a run; null where there are none. */
  records(run: ListedRun): Measurements | null {
    if (run.id !== null && run.hasRecords) {
      const text = this.store.records(run.id);
      const found = text === null ? undefined : recordedRuns(text.split("\n"))[0];
      if (found) return found.measurements;
    }
    this.#recorded ??= this.#recordFiles.flatMap((file) => readRecordFile(file));
    return matchRecords([run.saved], this.#recorded).records.get(run.saved) ?? null;
  }

  #checkSession(name: string): void {
    const names = this.store.sessions().map((session) => session.name);
    if (names.includes(name)) return;
    const known =
      names.length === 0 ? "there is none yet" : `there are ${names.slice(-8).join(", ")}`;
    throw new UsageError(
      `--session: no session is named '${name}'${nearest(name, names)}; ${known}`,
    );
  }

  #byWord(word: string, session: string | null): ListedRun[] {
    const isFile = existsSync(word) && statSync(word).isFile();
    if (word.endsWith(".jsonl") || (isFile && word.includes("/"))) return this.#ofFile(word);
    const found = this.#byLabel(word, session);
    if (found) return found;
    if (isFile) return this.#ofFile(word);
    const runs = this.store.runs(session === null ? {} : { session });
    const labels = [...new Set(runs.map(({ label }) => label))];
    throw new UserError(
      runs.length === 0
        ? `'${word}' names no run: the store has none yet, and no file has that name.`
        : `'${word}' names no run${nearest(word, labels)}; servebench results lists them, and files of result lines end in .jsonl.`,
    );
  }

  /** Labels of the given session or, without one, of the session that was used last among those that have it. */
  #byLabel(word: string, session: string | null): ListedRun[] | null {
    const slash = word.lastIndexOf("/");
    const [inSession, label] =
      slash < 0 ? [session, word] : [word.slice(0, slash), word.slice(slash + 1)];
    const sessions =
      inSession === null
        ? this.store
            .sessions()
            .map(({ name }) => name)
            .toReversed()
        : [inSession];
    for (const one of sessions) {
      const runs = this.store.runs({ session: one });
      const [first, last] = label
        .split("..")
        .map((end) => runs.findIndex((run) => run.label === end));
      if (label === "last" && runs.length > 0) return [listed(runs.at(-1)!)];
      if (first !== undefined && first >= 0 && last === undefined) return [listed(runs[first]!)];
      if (first !== undefined && last !== undefined && first >= 0 && last >= first) {
        return runs.slice(first, last + 1).map(listed);
      }
    }
    return null;
  }

  #ofFile(file: string): ListedRun[] {
    const { runs, skipped } = readResultFile(file);
    if (skipped > 0) this.#io.stderr(`${file}: ${skipped} of the lines are no result lines.\n`);
    const name = basename(file).replace(/\.jsonl$/, "");
    return runs.map((saved) =>
      listedLine(saved, runs.length === 1 ? name : `${name}:${saved.line}`),
    );
  }
}

/** Runs with their records, as compare and report take them. */
export interface ChosenResults {
  /** The runs of each word, in the order of the words. */
  readonly chosen: readonly (readonly SavedRun[])[];
  readonly records: ReadonlyMap<SavedRun, Measurements>;
  /** What a reader should know of what was not used. */
  readonly notes: readonly string[];
}

/** @throws UserError when a word names nothing, or a file cannot be read. */
export function chosenResults(
  words: readonly string[],
  { records: recordFiles, session }: { records: readonly string[]; session: string | null },
  io: Pick<CommandIo, "stderr">,
): ChosenResults {
  const finder = new RunFinder(io);
  try {
    const found = words.map((word) => finder.named([word], session));
    const runs = found.flat();
    const ofFiles = runs.filter(({ id }) => id === null).map(({ saved }) => saved);
    const recorded = recordFiles.flatMap((file) => readRecordFile(file));
    const { records, left } = matchRecords(ofFiles, recorded);
    const kept = runs.flatMap((run) => {
      const measurements = run.id === null ? null : finder.records(run);
      return measurements === null ? [] : [[run.saved, measurements] as const];
    });
    return {
      chosen: found.map((list) => list.map(({ saved }) => saved)),
      records: new Map([...records, ...kept]),
      notes: left === 0 ? [] : [`${left} recorded runs belong to no result line.`],
    };
  } finally {
    finder.close();
  }
}

/** Runs of which one of the texts is the wanted one. */
function only(
  runs: readonly ListedRun[],
  flag: string,
  wanted: string | null,
  texts: (run: ListedRun) => readonly (string | null)[],
): readonly ListedRun[] {
  if (wanted === null || runs.length === 0) return runs;
  const same = (text: string | null): boolean => text?.toLowerCase() === wanted.toLowerCase();
  const found = runs.filter((run) => texts(run).some(same));
  if (found.length > 0) return found;
  const known = [...new Set(runs.flatMap((run) => texts(run).filter((text) => text !== null)))];
  const list = known.length === 0 ? "none is told" : `there are ${known.slice(0, 12).join(", ")}`;
  throw new UsageError(`--${flag}: no run is of '${wanted}'${nearest(wanted, known)}; ${list}`);
}
