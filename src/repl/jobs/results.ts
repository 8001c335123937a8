/**
 * Takes the results of jobs into the store. Each job that measures has a slip of paper in the session's folder that says
 * where its results will be; it is thrown away once they are in the store, so that one which lies there at the next start
 * tells of a job that a killed session left behind.
 */
import {
  createReadStream,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createGzip } from "node:zlib";
import { parseFields, textOf, type Fields } from "../../bench/results/lines.ts";
import type { Store, StoredRun } from "../../store/index.ts";

export interface Slip {
  readonly command: string;
  readonly startedAt: string;
  /** The session's process, and the job's supervisor. */
  readonly sessionPid: number;
  readonly jobPid: number | null;
  readonly outputFile: string;
  /** Bytes that were there before. */
  readonly outputFrom: number;
  readonly recordsFile: string | null;
  readonly recordsFrom: number;
  /** Made for the job, and of no use once the store has what it holds. */
  readonly recordsAreOurs: boolean;
  /** The server in use, by its name. */
  readonly system: string | null;
  readonly environment: Fields;
  readonly server: Fields | null;
}

export const sizeOf = (file: string): number =>
  statSync(file, { throwIfNoEntry: false })?.size ?? 0;

export class ResultsOfJob {
  readonly #found = new Map<string, StoredRun>();
  /** Of the result file, when its lines were last taken. */
  #takenBytes = 0;

  readonly #store: Store;
  readonly #session: string;
  readonly #slip: Slip;
  readonly #path: string;

  constructor(store: Store, session: string, slip: Slip, path: string) {
    this.#store = store;
    this.#session = session;
    this.#slip = slip;
    this.#path = path;
    writeFileSync(path, JSON.stringify(slip));
  }

  /** Result lines that have come since the last call, without records. @returns The new runs. */
  takeLines(): StoredRun[] {
    const bytes = sizeOf(this.#slip.outputFile);
    if (bytes === this.#takenBytes) return [];
    const fresh = this.#lines().flatMap(({ text, fields }) => {
      if (this.#found.has(text)) return [];
      const run = this.#add(fields, null);
      this.#found.set(text, run);
      return [run];
    });
    this.#takenBytes = bytes;
    return fresh;
  }

  /** All that is there, with records; the slip is thrown away. @returns Runs that were not told of before. */
  async takeAll(): Promise<StoredRun[]> {
    const fresh: StoredRun[] = [];
    for (const { text, fields } of this.#lines()) {
      const run = this.#add(fields, await this.#records(textOf(fields, "started_at")));
      if (!this.#found.has(text)) fresh.push(run);
      this.#found.set(text, run);
    }
    rmSync(this.#path, { force: true });
    const { recordsFile, recordsAreOurs } = this.#slip;
    if (recordsFile !== null && recordsAreOurs && this.#found.size > 0)
      rmSync(recordsFile, { force: true });
    return fresh;
  }

  #lines(): { text: string; fields: Fields }[] {
    const { outputFile, outputFrom } = this.#slip;
    if (!existsSync(outputFile)) return [];
    const whole = readFileSync(outputFile).subarray(outputFrom).toString("utf8");
    return whole
      .split("\n")
      .slice(0, -1) // behind the last line feed is at most half a line
      .flatMap((text) => {
        const fields = parseFields(text);
        return fields && "backend" in fields ? [{ text, fields }] : [];
      });
  }

  #add(fields: Fields, records: Uint8Array | null): StoredRun {
    const { command, startedAt, system, environment, server } = this.#slip;
    return this.#store.addRun({
      session: this.#session,
      at: textOf(fields, "started_at") ?? startedAt,
      command: textOf(fields, "command") ?? command,
      system: system ?? textOf(fields, "server") ?? textOf(fields, "backend")!,
      fields,
      environment,
      server,
      recordsJsonl: records,
    });
  }

  /** The lines of one run, compressed off this thread: typing must not wait for it. */
  async #records(startedAt: string | null): Promise<Uint8Array | null> {
    const { recordsFile, recordsFrom } = this.#slip;
    if (recordsFile === null || !existsSync(recordsFile)) return null;
    const gzip = createGzip({ level: 1 });
    const parts: Buffer[] = [];
    const zipped = (async () => {
      for await (const part of gzip) parts.push(part as Buffer);
    })();
    const sign = startedAt === null ? null : `"startedAt":${JSON.stringify(startedAt)}`;
    let count = 0;
    for await (const line of createInterface({
      input: createReadStream(recordsFile, { start: recordsFrom }),
    })) {
      if (sign !== null && !line.includes(sign) && line.includes('"startedAt"')) continue;
      count++;
      if (!gzip.write(`${line}\n`)) await new Promise((resolve) => gzip.once("drain", resolve));
    }
    gzip.end();
    await zipped;
    return count === 0 ? null : Buffer.concat(parts);
  }
}

const isSlip = /^job-\d+\.json$/;

/** How long the supervisor of a job may take to end it when its session is gone. */
const orphanMs = 20_000;

/** Takes in what jobs of sessions that were killed have left in the folder. */
export async function takeLeftovers(
  store: Store,
  session: string,
  folder: string,
): Promise<StoredRun[]> {
  const runs: StoredRun[] = [];
  for (const name of readdirSync(folder).filter((file) => isSlip.test(file))) {
    const path = join(folder, name);
    const slip = readSlip(path);
    if (slip === null || isAlive(slip.sessionPid)) continue;
    for (let waitedMs = 0; isAlive(slip.jobPid) && waitedMs < orphanMs; waitedMs += 100)
      await sleep(100);
    runs.push(...(await new ResultsOfJob(store, session, slip, path).takeAll()));
  }
  return runs;
}

/** null for a file that a full disk has cut off. */
function readSlip(path: string): Slip | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Slip;
  } catch {
    return null;
  }
}

function isAlive(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
