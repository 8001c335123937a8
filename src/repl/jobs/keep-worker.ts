/**
 * Takes all results of a job that has ended into the store, with their records, which may be many megabytes: in a thread
 * of its own, since typing must wait neither for the compression nor for the disk.
 */
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { parentPort, workerData } from "node:worker_threads";
import { createGzip } from "node:zlib";
import { textOf } from "../../bench/results/lines.ts";
import { Store } from "../../store/index.ts";
import { ResultLines, runOf, type Slip } from "./slip.ts";

export interface KeepTask {
  readonly storePath: string;
  readonly session: string;
  readonly slip: Slip;
}

export type KeepReply =
  | { readonly kind: "kept"; readonly ids: readonly number[] }
  | { readonly kind: "failed"; readonly message: string };

async function keep({ storePath, session, slip }: KeepTask): Promise<number[]> {
  const store = Store.open(storePath, () => {}); // the session, which has it open, has told what there was to tell
  try {
    const records = await recordsByStart(slip);
    return new ResultLines(slip.outputFile, slip.outputFrom).take().map((fields) => {
      const recordsJsonl = records.get(textOf(fields, "started_at") ?? "") ?? null;
      return store.addRun({ ...runOf(session, slip, fields), recordsJsonl }).id;
    });
  } finally {
    store.close();
  }
}

/** The records of each run, compressed, by when it began. */
async function recordsByStart({ recordsFile, recordsFrom }: Slip) {
  const runs = new Map<string, Compressor>();
  if (recordsFile !== null && existsSync(recordsFile)) {
    const input = createReadStream(recordsFile, { start: recordsFrom });
    for await (const line of createInterface({ input })) {
      const [, startedAt] = /"startedAt":"([^"]*)"/.exec(line) ?? [];
      if (startedAt === undefined) continue; // a killed job's last line, cut off
      if (!runs.has(startedAt)) runs.set(startedAt, new Compressor());
      await runs.get(startedAt)!.write(`${line}\n`);
    }
  }
  const compressed = [...runs].map(
    async ([startedAt, run]) => [startedAt, await run.end()] as const,
  );
  return new Map(await Promise.all(compressed));
}

class Compressor {
  readonly #gzip = createGzip({ level: 1 });
  readonly #parts: Buffer[] = [];

  constructor() {
    this.#gzip.on("data", (part: Buffer) => this.#parts.push(part));
  }

  async write(text: string): Promise<void> {
    if (!this.#gzip.write(text)) await once(this.#gzip, "drain");
  }

  async end(): Promise<Uint8Array> {
    this.#gzip.end();
    await once(this.#gzip, "end");
    return Buffer.concat(this.#parts);
  }
}

const post = (reply: KeepReply): void => parentPort!.postMessage(reply);

keep(workerData as KeepTask).then(
  (ids) => post({ kind: "kept", ids }),
  (error: Error) => post({ kind: "failed", message: error.message }),
);
