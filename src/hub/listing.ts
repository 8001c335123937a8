/** What a repository holds: the commit of a revision, and the files of a commit. */
import type { Hub, Repository } from "./hub.ts";
import { isCommit } from "./hub.ts";
import { nextPage } from "./headers.ts";
import { discard, get, isSameServer, reasonOf, silenceLimit } from "./http.ts";
import { isJsonObject } from "./json.ts";
import { HubError, refusal, type HubErrorKind } from "./refusal.ts";

export interface RemoteFile {
  readonly size: number;
  /** SHA-1 of the git blob, which for a file in large-file storage is a pointer. */
  readonly gitSha1: string;
  /** SHA-256 of the content, of files in large-file storage. */
  readonly sha256: string | null;
}
/** The files of a commit by path. */
export type Listing = ReadonlyMap<string, RemoteFile>;

/** The commit that the revision is now. */
export async function fetchCommit(hub: Hub, repository: Repository): Promise<string> {
  const revision = encodeURIComponent(repository.revision);
  const { value } = await fetchJson(
    hub,
    repository,
    `${apiOf(hub, repository)}/revision/${revision}`,
  );
  const sha = isJsonObject(value) ? value["sha"] : null;
  if (typeof sha === "string" && isCommit(sha)) return sha;
  throw strange(hub, "does not name the commit");
}

/** All files of a commit. */
export async function fetchListing(
  hub: Hub,
  repository: Repository,
  commit: string,
): Promise<Listing> {
  const files = new Map<string, RemoteFile>();
  const seen = new Set<string>();
  let url: string | null = `${apiOf(hub, repository)}/tree/${commit}?recursive=true`;
  while (url !== null && !seen.has(url)) {
    seen.add(url);
    const page: JsonPage = await fetchJson(hub, repository, url);
    if (!Array.isArray(page.value) || page.value.length === 0)
      throw strange(hub, "gives no list of files");
    for (const entry of page.value) {
      if (!isJsonObject(entry) || entry["type"] !== "file") continue;
      files.set(...parseEntry(hub, entry));
    }
    url = page.next;
  }
  return files;
}

/** The address of a file's content. */
export function contentUrl(
  { settings }: Hub,
  { type, id }: Repository,
  commit: string,
  path: string,
): string {
  const folder = type === "dataset" ? "datasets/" : "";
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  return `${settings.endpoint}/${folder}${id}/resolve/${commit}/${escaped}`;
}

const apiOf = ({ settings }: Hub, { type, id }: Repository): string =>
  `${settings.endpoint}/api/${type}s/${id}`;

function parseEntry(hub: Hub, entry: Readonly<Record<string, unknown>>): [string, RemoteFile] {
  const { path, size, oid, lfs } = entry;
  const large = isJsonObject(lfs) ? lfs : null;
  const file = {
    size: large?.["size"] ?? size,
    gitSha1: oid,
    sha256: large?.["oid"] ?? null,
  };
  if (typeof path === "string" && isInnerPath(path) && isRemoteFile(file)) return [path, file];
  throw strange(hub, `describes a file as ${JSON.stringify(entry).slice(0, 200)}`);
}

/** Whether it has the form of a file's description. Names in the cache are made of its sums. */
export function isRemoteFile(file: { [K in keyof RemoteFile]: unknown }): file is RemoteFile {
  const { size, gitSha1, sha256 } = file;
  return (
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    typeof gitSha1 === "string" &&
    /^[0-9a-f]{40}$/.test(gitSha1) &&
    (sha256 === null || (typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)))
  );
}

/** Whether a path from outside stays in the folder that it is joined to. */
export const isInnerPath = (path: string): boolean =>
  !/[\\\0]/.test(path) && path.split("/").every((part) => !["", ".", ".."].includes(part));

function strange({ settings }: Hub, what: string, kind: HubErrorKind = "refused"): HubError {
  return new HubError(
    kind,
    `${settings.endpoint} does not answer as the Hugging Face Hub does: it ${what}. Check HF_ENDPOINT.`,
  );
}

interface JsonPage {
  readonly value: unknown;
  readonly next: string | null;
}

async function fetchJson(hub: Hub, repository: Repository, url: string): Promise<JsonPage> {
  const limit = silenceLimit(hub.settings.metadataTimeoutMs, hub.user.signal);
  try {
    const { response } = await get(hub, url, limit.signal);
    limit.alive();
    if (!response.ok) {
      await discard(response);
      throw refusal(hub.settings, repository, response);
    }
    const value: unknown = await response.json();
    const next = nextPage(response.headers.get("link"));
    if (next === null) return { value, next };
    // A page elsewhere would be given the token.
    const page = URL.canParse(next, url) ? new URL(next, url) : null;
    if (page === null || !isSameServer(new URL(url), page))
      throw strange(hub, `continues its list at '${next}'`);
    return { value, next: page.href };
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw strange(hub, `sends no JSON (${reasonOf(error, limit.signal)})`, "unreachable");
  } finally {
    limit.done();
  }
}
