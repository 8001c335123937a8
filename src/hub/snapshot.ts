/**
 * From a repository's name to a folder of the cache that holds the files wanted of it. What the cache has is used
 * as huggingface_hub would: a commit without asking anyone, a branch after asking which commit it is, or as it was
 * when the Hub does not answer.
 *
 * Sizes and sums come from the list of the commit, which is kept in the cache; so no file is asked for by HEAD.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../user-error.ts";
import { RepositoryCache } from "./cache.ts";
import { isCommit, type Hub, type Repository } from "./hub.ts";
import { persist } from "./http.ts";
import { contentUrl, fetchCommit, fetchListing, type Listing, type RemoteFile } from "./listing.ts";
import { sizeText } from "../size-text.ts";
import { DownloadProgress } from "./progress.ts";
import { HubError } from "./refusal.ts";
import { isDiskError, isWhole, loadBlob, partialPath } from "./transfer.ts";
import type { Choice } from "./wanted.ts";

const parallelFiles = 8;

/** A commit and what it has. */
interface Snapshot {
  readonly hub: Hub;
  readonly repository: Repository;
  readonly cache: RepositoryCache;
  readonly commit: string;
  readonly listing: Listing;
}

/**
 * The folder of a snapshot that holds what `choose` wants, downloaded if need be. Throws an Error that says what to
 * do; anything at all once the user's signal has aborted.
 */
export async function openSnapshot(
  hub: Hub,
  repository: Repository,
  choose: Choice,
): Promise<string> {
  try {
    return await findSnapshot(hub, repository, choose);
  } catch (error) {
    throw isDiskError(error) ? diskTrouble(hub, error) : error;
  }
}

async function findSnapshot(hub: Hub, repository: Repository, choose: Choice): Promise<string> {
  const cache = new RepositoryCache(hub.settings.cacheFolder, repository);
  const { revision, id } = repository;
  const known = cache.commitOf(revision);
  const cached = known === null ? null : await cachedFolder(cache, known, choose);
  if (cached !== null && (hub.settings.offline || isCommit(revision))) return cached;
  if (hub.settings.offline) throw offline(hub, repository, known !== null);
  let snapshot: Snapshot;
  try {
    snapshot = await locate(hub, repository, cache, cached === null);
  } catch (error) {
    const silent = error instanceof HubError && error.kind !== "revision";
    if (!silent || cached === null || hub.user.signal.aborted) throw error;
    hub.user.note(`${id}: using commit ${known} from the cache, since ${error.message}`);
    return cached;
  }
  return fill(snapshot, choose);
}

/** A snapshot's folder if it has all that is wanted. Without a list of the commit its own files are the list. */
async function cachedFolder(
  cache: RepositoryCache,
  commit: string,
  choose: Choice,
): Promise<string | null> {
  const folder = cache.snapshot(commit);
  const listing = cache.readListing(commit);
  const obtain = (path: string) => Promise.resolve(join(folder, path));
  try {
    const chosen = await choose([...(listing?.keys() ?? cache.filesOf(commit))], obtain);
    return chosen.every((path) => isThere(folder, path, listing?.get(path))) ? folder : null;
  } catch {
    return null; // what the choice must read is not there
  }
}

function isThere(folder: string, path: string, file: RemoteFile | undefined): boolean {
  const place = join(folder, path);
  return file ? isWhole(place, file) : existsSync(place);
}

/** Asks which commit the revision is, and what it has. `patient`: more than once. */
async function locate(
  hub: Hub,
  repository: Repository,
  cache: RepositoryCache,
  patient: boolean,
): Promise<Snapshot> {
  const ask = <T>(action: () => Promise<T>) => (patient ? persist(hub, action) : action());
  const { revision } = repository;
  const commit = isCommit(revision) ? revision : await ask(() => fetchCommit(hub, repository));
  const known = cache.readListing(commit);
  const listing = known ?? (await ask(() => fetchListing(hub, repository, commit)));
  if (known === null) ifWritable(() => cache.writeListing(commit, listing));
  return { hub, repository, cache, commit, listing };
}

/** Loads what is missing. The revision is noted last, so that an older whole snapshot stays in use until then. */
async function fill(snapshot: Snapshot, choose: Choice): Promise<string> {
  const { repository, cache, commit, listing } = snapshot;
  const folder = cache.snapshot(commit);
  const obtain = async (path: string) => {
    await load(snapshot, gapOf(snapshot, [path]), () => {});
    return join(folder, path);
  };
  await loadShown(snapshot, gapOf(snapshot, await choose([...listing.keys()].sort(), obtain)));
  ifWritable(() => cache.writeRef(repository.revision, commit));
  return folder;
}

/** What a snapshot lacks. */
interface Gap {
  readonly links: readonly { readonly path: string; readonly file: RemoteFile }[];
  /** What is to be loaded, by the blob's place: files of equal content are one. */
  readonly blobs: ReadonlyMap<string, { readonly path: string; readonly file: RemoteFile }>;
  /** Bytes that each blob has already. */
  readonly before: ReadonlyMap<string, number>;
  readonly totalBytes: number;
  readonly beforeBytes: number;
}

function gapOf({ cache, commit, listing }: Snapshot, paths: readonly string[]): Gap {
  const wanted = paths.map((path) => ({ path, file: listing.get(path)! }));
  const folder = cache.snapshot(commit);
  const links = wanted.filter(({ path, file }) => !isThere(folder, path, file));
  const blobs = new Map(links.map((item) => [cache.blob(item.file), item]));
  const before = new Map([...blobs].map(([blob, { file }]) => [blob, bytesThere(blob, file)]));
  const totalBytes = sum([...blobs.values()].map(({ file }) => file.size));
  return { links, blobs, before, totalBytes, beforeBytes: sum(before.values()) };
}

/** Fills a gap while the user watches. */
async function loadShown(snapshot: Snapshot, gap: Gap): Promise<void> {
  if (gap.links.length === 0) return;
  const { user, settings } = snapshot.hub;
  user.note(announcement(snapshot, gap));
  const progress = new DownloadProgress(
    snapshot.repository.id,
    gap.totalBytes,
    gap.before,
    user,
    settings.progressBars,
  );
  const note = (line: string) => progress.note(line);
  const hub = { ...snapshot.hub, user: { ...user, note } };
  try {
    await load({ ...snapshot, hub }, gap, (blob, bytes) => progress.set(blob, bytes));
  } finally {
    progress.close();
  }
}

async function load(
  { hub, repository, cache, commit }: Snapshot,
  { links, blobs, totalBytes, beforeBytes }: Gap,
  onBytes: (blob: string, bytes: number) => void,
): Promise<void> {
  checkSpace(hub, repository, totalBytes - beforeBytes);
  await inParallel([...blobs], hub.user.signal, ([blob, { path, file }], signal) =>
    loadBlob(hub, {
      repository,
      path,
      file,
      blob,
      url: contentUrl(hub, repository, commit, path),
      lock: cache.lock(file),
      signal,
      onBytes: (bytes) => onBytes(blob, bytes),
    }),
  );
  for (const { path, file } of links) cache.link(commit, path, file);
}

function announcement({ hub, repository, commit, cache }: Snapshot, gap: Gap): string {
  const { id, revision } = repository;
  const name = isCommit(revision) ? revision : `${revision} ${commit.slice(0, 7)}`;
  const files = `${gap.blobs.size} ${gap.blobs.size === 1 ? "file" : "files"}`;
  const have = gap.beforeBytes > 0 ? `, ${sizeText(gap.beforeBytes)} of it here already` : "";
  return (
    `downloading ${id} (${name}) from ${hub.settings.endpoint}: ` +
    `${files}, ${sizeText(gap.totalBytes)}${have}, to ${cache.snapshot(commit)}`
  );
}

function bytesThere(blob: string, file: RemoteFile): number {
  if (isWhole(blob, file)) return file.size;
  const partial = statSync(partialPath(blob), { throwIfNoEntry: false })?.size ?? 0;
  return Math.min(partial, file.size);
}

const sum = (numbers: Iterable<number>): number =>
  Iterator.from(numbers).reduce((total, number) => total + number, 0);

/** Runs `action` on all items, a few at a time. The first failure stops the others and is thrown. */
async function inParallel<T>(
  items: readonly T[],
  outer: AbortSignal,
  action: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const failures: unknown[] = [];
  const queue = items.values();
  const work = async () => {
    for (const item of queue) {
      if (signal.aborted) return;
      await action(item, signal);
    }
  };
  const worker = () =>
    work().catch((error: unknown) => {
      failures.push(error);
      stop.abort();
    });
  await Promise.all(Array.from({ length: parallelFiles }, worker));
  outer.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}

function checkSpace({ settings, freeBytes }: Hub, { id }: Repository, needed: number): void {
  const free = needed > 0 ? freeBytes(settings.cacheFolder) : Infinity;
  if (needed <= free) return;
  throw new UserError(
    `${id} needs ${sizeText(needed)} more in ${settings.cacheFolder}, where ${sizeText(free)} are free. ` +
      "Free some, or set HF_HOME to a folder on a larger disk.",
  );
}

function diskTrouble({ settings }: Hub, error: NodeJS.ErrnoException): UserError {
  const full = ["ENOSPC", "EDQUOT"].includes(error.code ?? "");
  return new UserError(
    full
      ? `The disk of the Hugging Face cache (${settings.cacheFolder}) is full. Free some space and start again: ` +
          "what has come is kept."
      : `The Hugging Face cache (${settings.cacheFolder}) cannot be used (${error.message}). ` +
          "Set HF_HOME to a folder that you may write to.",
    { cause: error },
  );
}

function offline({ settings }: Hub, { id, revision }: Repository, inPart: boolean): UserError {
  const what = inPart
    ? "is in the Hugging Face cache only in part"
    : "is not in the Hugging Face cache";
  return new UserError(
    `${id} (${revision}) ${what} (${settings.cacheFolder}), and HF_HUB_OFFLINE is set, which forbids to download it. ` +
      "Unset HF_HUB_OFFLINE.",
  );
}

/** What only saves a question later may fail: the cache may be there to read only. */
function ifWritable(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isDiskError(error)) throw error;
  }
}
