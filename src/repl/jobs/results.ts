/** Takes the results of jobs into the store: each run's line as it comes, and its records when the job has ended. */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorker } from "../../runtime/workers.ts";
import { storePath, type Store, type StoredRun } from "../../store/index.ts";
import { UserError } from "../../user-error.ts";
import type { KeepReply, KeepTask } from "./keep-worker.ts";
import { isSlip, readSlip, ResultLines, runOf, type Slip } from "./slip.ts";

export class ResultsOfJob {
  /** Ids of runs that were told of. */
  readonly #told = new Set<number>();
  readonly #lines: ResultLines;

  readonly #store: Store;
  readonly #session: string;
  readonly #slip: Slip;
  readonly #path: string;

  /** @param path Where the slip is kept. */
  constructor(store: Store, session: string, slip: Slip, path: string) {
    this.#store = store;
    this.#session = session;
    this.#slip = slip;
    this.#path = path;
    this.#lines = new ResultLines(slip.outputFile, slip.outputFrom);
    writeFileSync(path, JSON.stringify(slip));
  }

  /** Result lines that have come since the last call, without records. @returns The new runs. */
  takeLines(): StoredRun[] {
    const runs = this.#lines
      .take()
      .map((fields) => this.#store.addRun(runOf(this.#session, this.#slip, fields)));
    return this.#fresh(runs);
  }

  /** All that is there, with records; the slip is thrown away. @returns Runs that were not told of before. */
  async takeAll(): Promise<StoredRun[]> {
    const ids = await keep({
      storePath: storePath(),
      session: this.#session,
      slip: this.#slip,
    });
    rmSync(this.#path, { force: true });
    const { recordsFile, recordsAreOurs } = this.#slip;
    if (recordsFile !== null && recordsAreOurs && ids.length > 0)
      rmSync(recordsFile, { force: true });
    return this.#fresh(this.#store.runs({ ids }));
  }

  #fresh(runs: readonly StoredRun[]): StoredRun[] {
    const fresh = runs.filter(({ id }) => !this.#told.has(id));
    for (const { id } of fresh) this.#told.add(id);
    return fresh;
  }
}

/** @returns Ids of all runs of the job, in the order of their lines. */
async function keep(task: KeepTask): Promise<readonly number[]> {
  const worker = startWorker("keep", task);
  try {
    const reply = await new Promise<KeepReply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => reject(new Error("the thread that keeps results has ended")));
    });
    if (reply.kind === "failed") throw new UserError(reply.message);
    return reply.ids;
  } finally {
    await worker.terminate();
  }
}

/** How long the supervisor of a job may take to end it when its session is gone. */
const orphanMs = 20_000;

/** Takes in what jobs of sessions that were killed have left in the folder. */
export async function takeLeftovers(
  store: Store,
  session: string,
  folder: string,
): Promise<StoredRun[]> {
  const runs: StoredRun[] = [];
  for (const name of readdirSync(folder).filter(isSlip)) {
    const path = join(folder, name);
    const slip = readSlip(path);
    if (slip === null || isAlive(slip.sessionPid)) continue;
    for (let waitedMs = 0; isAlive(slip.jobPid) && waitedMs < orphanMs; waitedMs += 100)
      await sleep(100);
    runs.push(...(await new ResultsOfJob(store, session, slip, path).takeAll()));
  }
  return runs;
}

function isAlive(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
