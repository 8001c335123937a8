/** Loads one file into the cache: resumed where it stopped, checked before it counts. */
import { statSync } from "node:fs";
import { contentRange } from "./headers.ts";
import type { Hub, Repository } from "./hub.ts";
import { discard, get, pauseMs, reasonOf, silenceLimit } from "./http.ts";
import type { RemoteFile } from "./listing.ts";
import { lockFile } from "./lock.ts";
import { PartialFile } from "./partial.ts";
import { HubError, refusal } from "./refusal.ts";

export interface Transfer {
  readonly repository: Repository;
  readonly path: string;
  readonly url: string;
  readonly file: RemoteFile;
  /** Where the content goes. What has come of it lies beside it, at `partialPath`, until it is whole. */
  readonly blob: string;
  readonly lock: string;
  readonly signal: AbortSignal;
  /** Told the bytes that are there, ever more, but fewer after a start from scratch. */
  readonly onBytes: (bytes: number) => void;
}

/** huggingface_hub before mid-2026 resumed from the same file. */
export const partialPath = (blob: string): string => `${blob}.incomplete`;

/** Whether a file is there in full. */
export const isWhole = (path: string, { size }: RemoteFile): boolean =>
  statSync(path, { throwIfNoEntry: false })?.size === size;

/**
 * Makes `blob` exist. Of several processes that want it, one loads it and the others wait.
 * Throws a HubError, or the disk's own error; what has come stays for the next try.
 */
export async function loadBlob(hub: Hub, transfer: Transfer): Promise<void> {
  const { blob, file, onBytes, signal } = transfer;
  const lock = await lockFile(transfer.lock, signal, () =>
    hub.user.note(`${transfer.path}: waiting for another process that is loading it`),
  );
  try {
    if (!isWhole(blob, file)) {
      const path = partialPath(lock.exclusive ? blob : `${blob}.${process.pid}`);
      await complete(hub, transfer, await PartialFile.open(path, file));
    }
    onBytes(file.size);
  } finally {
    lock.release();
  }
}

/** Tries again as long as tries bring the file on; a file with a wrong sum gets one more chance, from scratch. */
async function complete(hub: Hub, transfer: Transfer, partial: PartialFile): Promise<void> {
  let failures = 0;
  let most = partial.size;
  let wrongSums = 0;
  try {
    while (!partial.isRight()) {
      if (partial.size >= transfer.file.size) {
        await partial.restart();
        if (++wrongSums > 1) throw wrongSum(transfer);
      }
      const error = await attempt(hub, transfer, partial);
      if (error === null) continue;
      if (partial.size > most) failures = 0;
      most = Math.max(most, partial.size);
      const pause = pauseMs(error, failures++);
      if (pause === null) throw error;
      hub.user.note(`${error.message} Trying again in ${pause / 1000} s.`);
      await hub.sleep(pause, transfer.signal);
    }
  } catch (error) {
    await partial.close();
    throw error;
  }
  await partial.moveTo(transfer.blob);
}

/** One request. Gives the failure that another try may mend, or null when it went to its end. */
async function attempt(
  hub: Hub,
  transfer: Transfer,
  partial: PartialFile,
): Promise<HubError | null> {
  const limit = silenceLimit(hub.settings.downloadTimeoutMs, transfer.signal);
  try {
    await receive(hub, transfer, partial, limit);
    return null;
  } catch (error) {
    if (transfer.signal.aborted || isDiskError(error)) throw error;
    if (error instanceof HubError && error.kind !== "unreachable") return error;
    const why = error instanceof HubError ? error.message : `${reasonOf(error, limit.signal)}.`;
    return new HubError("broken", `${transfer.path}: the transfer broke off: ${why}`, {
      cause: error,
    });
  } finally {
    limit.done();
  }
}

async function receive(
  hub: Hub,
  { repository, path, url, file, onBytes }: Transfer,
  partial: PartialFile,
  limit: ReturnType<typeof silenceLimit>,
): Promise<void> {
  const from = partial.size;
  const range = from > 0 ? { range: `bytes=${from}-` } : undefined;
  const { response, foreign } = await get(hub, url, limit.signal, range);
  const broken = (why: string) => new HubError("broken", `${path}: ${why}`);
  const resumes = response.status === 206 && continues(response, from, file.size);
  if (!resumes && response.status !== 200) {
    await discard(response);
    if ([206, 416].includes(response.status)) await partial.restart();
    else if (!response.ok && !foreign) throw refusal(hub.settings, repository, response);
    throw broken(`${new URL(response.url || url).host} answers with status ${response.status}.`);
  }
  if (!resumes) await partial.restart(); // all of the file comes, whatever was asked for
  for await (const bytes of response.body ?? []) {
    limit.alive();
    if (partial.size + bytes.length > file.size) {
      await partial.restart();
      throw broken(`more than its ${file.size} bytes came.`);
    }
    await partial.append(bytes);
    limit.alive();
    onBytes(partial.size);
  }
  if (partial.size < file.size)
    throw broken(`the transfer broke off after ${partial.size} of ${file.size} bytes.`);
}

function continues({ headers }: Response, from: number, total: number): boolean {
  const range = contentRange(headers.get("content-range"));
  return range !== null && range.first === from && range.total === total;
}

function wrongSum({ path, file, repository }: Transfer): HubError {
  const sum = file.sha256 === null ? "git SHA-1" : "SHA-256";
  return new HubError(
    "refused",
    `${path} of ${repository.id} came twice with another ${sum} than the Hub names, so it is not used. ` +
      "Something on the way changes it (a proxy?); try another network or HF_ENDPOINT.",
  );
}

const diskErrors = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG", "EIO", "ENOTDIR"];

/** Whether it came from writing to the cache, not from the network. */
export function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return diskErrors.includes((error as NodeJS.ErrnoException | null)?.code ?? "");
}
