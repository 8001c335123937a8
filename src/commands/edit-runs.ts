/** `servebench annotate`, `relabel` and `delete`: what is done to runs of the store. */
import { exitCode } from "../exit-code.ts";
import { UsageError, UserError } from "../user-error.ts";
import type { ListedRun } from "../bench/results/columns.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { required, restOf, switchFlag, textFlag, textListFlag } from "./flags.ts";
import { selectionFlags, selectionWords } from "./selection.ts";

const runWord = required(
  textFlag("The run: its label (r3), SESSION/LABEL, or last.", { placeholder: "RUN" }),
);
const sessionFlags = {
  session: textFlag("The session whose label is meant; else the one that was used last.", {
    placeholder: "NAME",
  }),
};

export const annotate = defineCommand({
  name: "annotate",
  summary: "write a note beside a run",
  description: 'Keeps a note with a run, which results shows and --where "note~word" finds.',
  examples: [
    { line: "servebench annotate r3 after the fix", says: "the words are the note" },
    { line: "servebench annotate r3 --clear", says: "without a note again" },
  ],
  words: {
    run: runWord,
    note: textListFlag("The note.", { placeholder: "[NOTE...]" }),
  },
  flags: { ...sessionFlags, clear: switchFlag("Take the note away.") },
  run: async (values, io) => {
    const note = values.note.join(" ");
    if ((note === "") !== values.clear) {
      throw new UsageError("write the note after the run, or --clear to take it away");
    }
    return withRun(values.run, values.session, io, ({ id, name }, store) => {
      store.annotate(id, note);
      io.stdout(note === "" ? `${name} has no note\n` : `${name}: ${note}\n`);
    });
  },
});

export const relabel = defineCommand({
  name: "relabel",
  summary: "give a run another label",
  description: "Names a run, so that commands can speak of it: before, after-fix, h200.tp2.",
  examples: [
    { line: "servebench relabel r3 before", says: "then: servebench results --diff before" },
  ],
  words: {
    run: runWord,
    label: required(
      textFlag("The new label: letters, digits and _ . + -, unique in the session.", {
        placeholder: "LABEL",
      }),
    ),
  },
  flags: sessionFlags,
  run: async ({ run, label, session }, io) =>
    withRun(run, session, io, ({ id, name }, store) => {
      store.relabel(id, label);
      io.stdout(`${name} is now ${label}\n`);
    }),
});

export const deleteCommand = defineCommand({
  name: "delete",
  summary: "delete runs from the store",
  description:
    "Deletes runs and the records of their requests from the store, after a question. There is no way back; " +
    "servebench export keeps a copy.",
  examples: [
    { line: "servebench delete r3 r5", says: "asks first" },
    { line: 'servebench delete --session trial --where "completed=0" --yes', says: "asks nothing" },
  ],
  words: { run: restOf(selectionWords.run) },
  flags: { ...selectionFlags, yes: switchFlag("Delete without asking.") },
  run: async (values, io) => {
    const { RunFinder } = await import("./stored-runs.ts");
    const finder = new RunFinder(io);
    try {
      const { where, system, dataset, session, last } = values;
      const run = values.run ?? [];
      if (run.length + where.length === 0 && (system ?? dataset ?? session ?? last) === null) {
        throw new UsageError("say which: labels like r3, --session NAME, or --where CONDITION");
      }
      const runs = finder.select({ ...values, run }).map(inStore);
      if (runs.length === 0) throw new UserError("no run meets that; nothing is deleted.");
      if (!values.yes && !(await agrees(runs, io))) {
        io.stdout("Nothing is deleted.\n");
        return exitCode.failure;
      }
      const count = finder.store.deleteRuns(runs.map(({ id }) => id));
      io.stdout(`${count} ${count === 1 ? "run" : "runs"} deleted\n`);
    } finally {
      finder.close();
    }
    return exitCode.success;
  },
});

type InStore = ListedRun & { readonly id: number };

function inStore(run: ListedRun): InStore {
  if (run.id !== null) return run as InStore;
  throw new UserError(`${run.name} is of a file, not of the store; name a run by its label.`);
}

async function withRun(
  word: string,
  session: string | null,
  io: CommandIo,
  act: (run: InStore, store: import("../store/index.ts").Store) => void,
): Promise<number> {
  const { RunFinder } = await import("./stored-runs.ts");
  const finder = new RunFinder(io);
  try {
    const runs = finder.named([word], session).map(inStore);
    if (runs.length > 1) throw new UsageError(`'${word}' names ${runs.length} runs; name one`);
    act(runs[0]!, finder.store);
  } finally {
    finder.close();
  }
  return exitCode.success;
}

async function agrees(runs: readonly InStore[], io: CommandIo): Promise<boolean> {
  const { ask } = io;
  if (!ask) throw new UsageError("deleting asks first, and here nobody can answer; give --yes");
  const shown = runs
    .slice(0, 8)
    .map(({ name, session, system }) => `${name} (session ${session}, ${system})`);
  const more = runs.length > 8 ? [`and ${runs.length - 8} more`] : [];
  io.stderr(`${[...shown, ...more].map((line) => `  ${line}`).join("\n")}\n`);
  const what =
    runs.length === 1 ? "this run and its records" : `these ${runs.length} runs and their records`;
  return /^\s*y(es)?\s*$/i.test(await ask(`Delete ${what} for good? [y/N] `));
}
