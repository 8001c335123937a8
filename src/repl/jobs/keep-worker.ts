/**
 * Takes all results of a job that has ended into the store, with their records, which may be many megabytes: in a thread
 * of its own, since typing must wait neither for the compression nor for the disk.
 */
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
    const ids: number[] = [];
    for (const fields of new ResultLines(slip.outputFile, slip.outputFrom).take()) {
      const recordsJsonl = await recordsOf(slip, textOf(fields, "started_at"));
      ids.push(store.addRun({ ...runOf(session, slip, fields), recordsJsonl }).id);
    }
    return ids;
  } finally {
    store.close();
  }
}

/** The lines of one run, compressed; null if there are none. */
async function recordsOf(
  { recordsFile, recordsFrom }: Slip,
  startedAt: string | null,
): Promise<Uint8Array | null> {
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

const post = (reply: KeepReply): void => parentPort!.postMessage(reply);

keep(workerData as KeepTask).then(
  (ids) => post({ kind: "kept", ids }),
  (error: Error) => post({ kind: "failed", message: error.message }),
);
