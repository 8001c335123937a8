/**
 * One repository in the Hugging Face cache, laid out as huggingface_hub does:
 * `models--ORG--NAME/{refs/REVISION, blobs/SUM, snapshots/COMMIT/PATH -> ../../blobs/SUM, trees/COMMIT.json}`.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { isCommit, type Repository } from "./hub.ts";
import { isJsonObject, readJsonObject, type Json } from "./json.ts";
import { isInnerPath, isRemoteFile, type Listing, type RemoteFile } from "./listing.ts";

const treeFormat = 1;

export class RepositoryCache {
  private readonly folder: string;
  private readonly locks: string;

  constructor(cacheFolder: string, { type, id }: Repository) {
    const name = `${type}s--${id.replaceAll("/", "--")}`;
    this.folder = join(cacheFolder, name);
    this.locks = join(cacheFolder, ".locks", name);
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** Named as huggingface_hub names it: by the SHA-256 of large files, the git SHA-1 of others. */
  blob({ sha256, gitSha1 }: RemoteFile): string {
    return join(this.folder, "blobs", sha256 ?? gitSha1);
  }

  lock({ sha256, gitSha1 }: RemoteFile): string {
    return join(this.locks, `${sha256 ?? gitSha1}.lock`);
  }

  /** The commit that a revision was when it was last asked for; null if it never was. */
  commitOf(revision: string): string | null {
    if (isCommit(revision)) return revision;
    const text = isInnerPath(revision) ? readIfThere(join(this.folder, "refs", revision)) : null;
    const commit = text?.trim() ?? "";
    return isCommit(commit) ? commit : null;
  }

  writeRef(revision: string, commit: string): void {
    if (isCommit(revision) || this.commitOf(revision) === commit) return;
    writeWhole(join(this.folder, "refs", revision), commit);
  }

  /** The files that a commit has, if they have been listed before. */
  readListing(commit: string): Listing | null {
    const { format_version: version, files } = jsonIfThere(this.treePath(commit));
    if (version !== treeFormat || !isJsonObject(files)) return null;
    const listing = new Map<string, RemoteFile>();
    for (const [name, entry] of Object.entries(files)) {
      if (!isJsonObject(entry)) return null;
      const { blob_id: gitSha1, lfs_sha256: sha256 = null, ...rest } = entry;
      const file = { size: rest["lfs_size"] ?? rest["size"], gitSha1, sha256 };
      if (!isInnerPath(name) || !isRemoteFile(file)) return null;
      listing.set(name, file);
    }
    return listing;
  }

  writeListing(commit: string, listing: Listing): void {
    const files = [...listing].map(([path, { size, gitSha1, sha256 }]) => {
      const large = sha256 === null ? {} : { lfs_sha256: sha256, lfs_size: size };
      return [path, { size, blob_id: gitSha1, ...large }];
    });
    const tree = { format_version: treeFormat, files: Object.fromEntries(files) };
    writeWhole(this.treePath(commit), JSON.stringify(tree));
  }

  /** The paths of what lies in a snapshot. */
  filesOf(commit: string): string[] {
    const folder = this.snapshot(commit);
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
    return names.filter((name) =>
      statSync(join(folder, name), { throwIfNoEntry: false })?.isFile(),
    );
  }

  /** Lets a snapshot show a blob, by a relative link, or by moving the blob where there are no links. */
  link(commit: string, path: string, file: RemoteFile): void {
    const pointer = join(this.snapshot(commit), path);
    const blob = this.blob(file);
    const target = relative(dirname(pointer), blob);
    if (linkTarget(pointer) === target && existsSync(pointer)) return;
    mkdirSync(dirname(pointer), { recursive: true });
    const draft = `${pointer}.${process.pid}.tmp`;
    try {
      symlinkSync(target, draft);
    } catch (error) {
      if (!["EPERM", "ENOTSUP", "ENOSYS"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
      renameSync(blob, draft);
    }
    renameSync(draft, pointer);
  }

  private treePath(commit: string): string {
    return join(this.folder, "trees", `${commit}.json`);
  }
}

/** Readers see the old content or the new, never a part. */
function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

function readIfThere(path: string): string | null {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, "utf8") : null;
}

/** What is no JSON object counts as nothing: it can be asked for again. */
function jsonIfThere(path: string): Json {
  try {
    return readJsonObject(path);
  } catch {
    return {};
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
