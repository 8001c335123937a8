/** `jobs`, `fg` and `cancel`. */
import type { LiveState } from "../../bench/live/state.ts";
import { liveLine } from "../../bench/live/lines.ts";
import { defineCommand, type Command } from "../../commands/command.ts";
import { intFlag } from "../../commands/flags.ts";
import { tableText } from "../../terminal/table.ts";
import { fit } from "../../terminal/width.ts";
import { UserError } from "../../user-error.ts";
import type { Job } from "../jobs/job.ts";
import { endText, type Session } from "../session.ts";

const words = {
  job: intFlag("Number of the job, as jobs lists it; the newest that runs if not given.", {
    placeholder: "JOB",
    min: 1,
  }),
};

export const jobsCommand = (session: Session): Command =>
  defineCommand({
    name: "jobs",
    summary: "list the jobs and how far they are",
    description: "Lists the jobs of this session: those that run and those that have ended.",
    examples: [{ line: "jobs", says: "number, state and command of each" }],
    flags: {},
    run: async (_values, io) => {
      const { all } = session.jobs;
      if (all.length === 0)
        io.stdout("No jobs. Commands that measure are; with & they run in the background.\n");
      else {
        const states = all.map((job) => stateText(job, Math.max(20, Math.floor(io.columns / 2))));
        const room =
          io.columns - Math.max(...states.map((state) => state.length)) - "job".length - 4;
        const rows = all.map((job, i) => [
          String(job.spec.id),
          states[i]!,
          fit(job.spec.line, Math.max(10, room)),
        ]);
        io.stdout(tableText({ head: ["job", "state", "command"], rows, frame: "none" }));
      }
      return 0;
    },
  });

function stateText(job: Job, columns: number): string {
  if (!job.running) return endText(job);
  const state = job.figures as LiveState | null;
  const now = job.cancelled === "no" ? "runs" : "ends";
  return state === null ? now : fit(`${now}: ${liveLine(state)}`, columns);
}

export const fgCommand = (session: Session): Command =>
  defineCommand({
    name: "fg",
    summary: "show a job: what it has written, and how far it is",
    description:
      "Brings a job to the foreground: shows what it has written meanwhile and, while it runs, its figures. Ctrl-Z puts it " +
      "back, Ctrl-C asks it to end. The exit code is the job's.",
    examples: [
      { line: "fg", says: "the newest job that runs" },
      { line: "fg 2", says: "job 2" },
    ],
    words,
    flags: {},
    run: async ({ job }) => session.watch(session.jobs.get(job)),
  });

export const cancelCommand = (session: Session): Command =>
  defineCommand({
    name: "cancel",
    summary: "ask a job to finish and keep what it has; again: end it",
    description:
      "Asks a job to end: a benchmark reports and keeps the requests that have ended. The second time it is ended by force.",
    examples: [{ line: "cancel 2", says: "as Ctrl-C would while job 2 is shown" }],
    words,
    flags: {},
    run: async ({ job }) => {
      const found = session.jobs.get(job);
      if (!found.running)
        throw new UserError(`job ${found.spec.id} has ended already: ${endText(found)}`);
      session.cancel(found);
      return 0;
    },
  });
