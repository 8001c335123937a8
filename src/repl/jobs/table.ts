/** The jobs of a session: started, watched for results, and kept for `jobs` and `fg` when they have ended. */
import { closeSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../../commands/command.ts";
import { parseFlags } from "../../commands/flags.ts";
import { clientMachine } from "../../bench/report/client-machine.ts";
import type { FleetServer } from "../../launch/index.ts";
import type { Store, StoredRun } from "../../store/index.ts";
import { UserError } from "../../user-error.ts";
import { commit, version } from "../../version.ts";
import { Job } from "./job.ts";
import { ResultsOfJob } from "./results.ts";
import { sizeOf } from "./slip.ts";

/** Where a session keeps what its jobs write. */
export interface SessionPlace {
  readonly store: Store;
  readonly session: string;
  readonly folder: string;
}

export interface NewJob {
  readonly command: Command;
  /** Without the command's name. */
  readonly argv: readonly string[];
  /** As the user typed it. */
  readonly line: string;
  readonly columns: number;
  readonly server: FleetServer | null;
}

/** What a job has come to. */
export interface JobNews {
  /** Runs that the store has taken in. */
  kept(job: Job, runs: readonly StoredRun[]): void;
  /** A line that says where its server can be reached. */
  ready(id: number, line: string): void;
  /** @param runs All that the store has of it. */
  ended(job: Job, runs: readonly StoredRun[]): void;
}

/** How often files are looked at for results of runs that are over. */
const lookMs = 1000;

export class JobTable {
  readonly #jobs: Job[] = [];
  readonly #news: JobNews;

  constructor(news: JobNews) {
    this.#news = news;
  }

  get all(): readonly Job[] {
    return this.#jobs;
  }

  get running(): readonly Job[] {
    return this.#jobs.filter((job) => job.running);
  }

  /** By number; without one, the newest that runs, else the newest. @throws UserError */
  get(id: number | null): Job {
    const found =
      id === null
        ? (this.running.at(-1) ?? this.#jobs.at(-1))
        : this.#jobs.find((job) => job.spec.id === id);
    if (found) return found;
    if (this.#jobs.length === 0) {
      throw new UserError(
        "there are no jobs; a command that measures is one, with & behind it in the background",
      );
    }
    const ids = this.#jobs.map((job) => job.spec.id);
    throw new UserError(
      `there is no job ${id}; there ${ids.length > 1 ? "are" : "is"} ${ids.join(", ")}`,
    );
  }

  /**
   * Starts a command as a job. Where it measures, its results go to a file of the session unless the user names one.
   * @throws UsageError for flags that the command does not take.
   */
  start(place: SessionPlace, { command, argv, line, columns, server }: NewJob): Job {
    const values = parseFlags(command.flags, argv, command.words) as Readonly<
      Record<string, unknown>
    >;
    const { id, logFile } = newNumber(place.folder);
    const files = filesOf(command, values, place.folder, id);
    const words = [command.name, ...argv, ...files.words];
    const job = new Job({
      id,
      line,
      argv: words,
      logFile,
      columns,
      onReady: (said) => this.#news.ready(id, said),
    });
    this.#jobs.push(job);
    const results = files.outputFile === null ? null : resultsOf(place, job, files, server);
    void this.#follow(job, results);
    return job;
  }

  async #follow(job: Job, results: ResultsOfJob | null): Promise<void> {
    const kept: StoredRun[] = [];
    const tell = (runs: readonly StoredRun[]): void => {
      kept.push(...runs);
      if (runs.length > 0) this.#news.kept(job, runs);
    };
    const look = setInterval(() => {
      if (results) tell(takenSoFar(results));
    }, lookMs);
    await job.ended;
    clearInterval(look);
    if (results) {
      try {
        tell(await results.takeAll());
      } catch (error) {
        job.complain(`its results could not be kept: ${(error as Error).message}`);
      }
    }
    job.finish();
    this.#news.ended(job, kept);
  }
}

function takenSoFar(results: ResultsOfJob): readonly StoredRun[] {
  try {
    return results.takeLines();
  } catch {
    return []; // the store may be busy or the disk full; what is left is tried again at the end
  }
}

interface JobFiles {
  /** Where results will be; null for a command that measures nothing. */
  readonly outputFile: string | null;
  readonly recordsFile: string | null;
  readonly recordsAreOurs: boolean;
  /** Flags beside those of the user. */
  readonly words: readonly string[];
}

function filesOf(
  { name, flags }: Command,
  { outputFile, records, dryRun }: Readonly<Record<string, unknown>>,
  folder: string,
  id: number,
): JobFiles {
  if (!("output-file" in flags) || dryRun === true) {
    return { outputFile: null, recordsFile: null, recordsAreOurs: false, words: [] };
  }
  // What goes on where it was interrupted finds its results by their file.
  const stem = join(folder, name === "bench" ? `job-${id}` : name);
  const own = typeof outputFile === "string" ? null : `${stem}.jsonl`;
  const recordsAreOurs = "records" in flags && typeof records !== "string";
  const recordsFile = recordsAreOurs
    ? join(folder, `job-${id}.records.jsonl`)
    : ((records as string | undefined) ?? null);
  return {
    outputFile: own ?? (outputFile as string),
    recordsFile,
    recordsAreOurs,
    words: [
      ...(own === null ? [] : ["--output-file", own]),
      ...(recordsAreOurs ? ["--records", recordsFile!] : []),
    ],
  };
}

function resultsOf(
  place: SessionPlace,
  job: Job,
  files: JobFiles,
  server: FleetServer | null,
): ResultsOfJob {
  const slip = {
    command: `servebench ${job.spec.line}`,
    startedAt: job.startedAt.toISOString(),
    sessionPid: process.pid,
    jobPid: job.pid,
    outputFile: files.outputFile!,
    outputFrom: sizeOf(files.outputFile!),
    recordsFile: files.recordsFile,
    recordsFrom: files.recordsFile === null ? 0 : sizeOf(files.recordsFile),
    recordsAreOurs: files.recordsAreOurs,
    system: server?.name ?? null,
    environment: { client_machine: clientMachine(), servebench: version, commit },
    server: server && describe(server),
  };
  return new ResultsOfJob(
    place.store,
    place.session,
    slip,
    job.spec.logFile.replace(/\.log$/, ".json"),
  );
}

const describe = ({ name, template, backend, baseUrl, model, commandLine }: FleetServer) => ({
  name,
  template,
  backend,
  baseUrl,
  model,
  commandLine,
});

/** The next number of the session's folder. Another process may have the same session open. */
function newNumber(folder: string): { id: number; logFile: string } {
  mkdirSync(folder, { recursive: true });
  const numbers = readdirSync(folder).map((name) =>
    Number(/^job-(\d+)\.log$/.exec(name)?.[1] ?? 0),
  );
  for (let id = Math.max(0, ...numbers) + 1; ; id++) {
    const logFile = join(folder, `job-${id}.log`);
    try {
      closeSync(openSync(logFile, "wx"));
      return { id, logFile };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new UserError(`cannot write to ${folder}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}
