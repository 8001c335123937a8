/**
 * A Hugging Face Hub on the loopback: the API, the files, and a second server (another origin) that holds large
 * files, as the Hub's network of caches does. Faults can be put in the way of any request.
 */
import { createHash } from "node:crypto";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

export interface FakeRepository {
  /** Files by commit; a file over 100 bytes is in large-file storage. */
  readonly commits: Record<string, Record<string, string | Buffer>>;
  readonly refs: Record<string, string>;
  readonly gated?: boolean;
  readonly private?: boolean;
}

export interface SeenRequest {
  readonly server: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
/** Answers in place of the server, or changes the request and calls `next`. */
export type Fault = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

interface StoredFile {
  readonly content: Buffer;
  readonly gitSha1: string;
  readonly sha256: string | null;
}

const pageSize = 3;
export const goodToken = "hf_good";

export class FakeHub {
  readonly repositories = new Map<string, FakeRepository>();
  readonly requests: SeenRequest[] = [];
  private readonly faults: { pattern: RegExp; left: number; fault: Fault }[] = [];
  private readonly hub = listener((request, response) => this.serve("hub", request, response));
  private readonly cdn = listener((request, response) => this.serve("cdn", request, response));

  async start(): Promise<void> {
    await Promise.all([listen(this.hub, "127.0.0.1"), listen(this.cdn, "127.0.0.2")]);
  }

  stop(): void {
    for (const server of [this.hub, this.cdn]) {
      server.close();
      server.closeAllConnections();
    }
  }

  get endpoint(): string {
    return addressOf(this.hub);
  }

  /** The next `times` requests whose "server METHOD path" fits get the fault. */
  fail(pattern: RegExp, fault: Fault, times = 1): void {
    this.faults.push({ pattern, left: times, fault });
  }

  reset(): void {
    this.faults.length = 0;
    this.requests.length = 0;
    this.repositories.clear();
  }

  /** "METHOD path" of what the server was asked. */
  asked(server: "hub" | "cdn"): string[] {
    const seen = this.requests.filter((request) => request.server === server);
    return seen.map(({ method, path }) => `${method} ${path}`);
  }

  private serve(server: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url = "", headers } = request;
    this.requests.push({ server, method, path: url, headers });
    const next = () =>
      server === "hub" ? this.answer(request, response) : this.sendLarge(request, response);
    const line = `${server} ${method} ${url}`;
    const fault = this.faults.find(({ pattern, left }) => left > 0 && pattern.test(line));
    if (!fault) return next();
    fault.left--;
    fault.fault(request, response, next);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url!, this.endpoint);
    const api = /^\/api\/(model|dataset)s\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(pathname);
    const file = /^\/(datasets\/)?(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(pathname);
    const id = api?.[2] ?? file?.[2] ?? "";
    const type = api?.[1] ?? (file?.[1] ? "dataset" : "model");
    const repository = this.repositories.get(`${type}s/${id}`);
    const refusal = refusalOf(repository, request.headers.authorization);
    if (refusal) return refuse(response, ...refusal);
    const revision = decodeURIComponent(api?.[4] ?? file![3]!);
    const commit = repository!.refs[revision] ?? revision;
    const files = repository!.commits[commit];
    if (!files) return refuse(response, 404, "RevisionNotFound");
    if (api?.[3] === "revision") return json(response, { id, sha: commit });
    if (api) return this.tree(response, pathname, files, Number(searchParams.get("cursor") ?? 0));
    const path = decodeURIComponent(file![4]!);
    const content = files[path];
    if (content === undefined) return refuse(response, 404, "EntryNotFound", commit);
    this.resolve(request, response, stored(content), commit);
  }

  private tree(
    response: ServerResponse,
    pathname: string,
    files: Record<string, string | Buffer>,
    from: number,
  ): void {
    const entries = Object.entries(files).map(([path, content]) => {
      const { gitSha1, sha256, content: bytes } = stored(content);
      const lfs =
        sha256 === null ? {} : { lfs: { oid: sha256, size: bytes.length, pointerSize: 130 } };
      return { type: "file", oid: gitSha1, size: bytes.length, path, ...lfs };
    });
    const all = [{ type: "directory", oid: "0".repeat(40), size: 0, path: "folder" }, ...entries];
    const to = from + pageSize;
    if (to < all.length) {
      const next = `${this.endpoint}${pathname}?recursive=true&cursor=${to}`;
      response.setHeader("link", `<${next}>; rel="next"`);
    }
    json(response, all.slice(from, to));
  }

  private resolve(
    request: IncomingMessage,
    response: ServerResponse,
    { content, gitSha1, sha256 }: StoredFile,
    commit: string,
  ): void {
    response.setHeader("x-repo-commit", commit);
    if (sha256 === null) {
      response.setHeader("etag", `"${gitSha1}"`);
      return send(request, response, content);
    }
    response.setHeader("x-linked-etag", `"${sha256}"`);
    response.setHeader("x-linked-size", content.length);
    response.writeHead(302, { location: `${addressOf(this.cdn)}/${sha256}?signature=1` }).end();
  }

  private sendLarge(request: IncomingMessage, response: ServerResponse): void {
    const name = request.url!.slice(1, 65);
    if (request.headers.authorization) return void response.writeHead(400).end("signed already");
    for (const { commits } of this.repositories.values()) {
      for (const content of Object.values(commits).flatMap((files) => Object.values(files))) {
        const file = stored(content);
        if (file.sha256 === name) return send(request, response, file.content);
      }
    }
    response.writeHead(404).end();
  }
}

/** Status, X-Error-Code and X-Error-Message, as the Hub gives them. */
function refusalOf(
  repository: FakeRepository | undefined,
  authorization: string | undefined,
): Parameters<typeof refuse> extends [unknown, ...infer R] ? R | null : never {
  if (authorization && authorization !== `Bearer ${goodToken}`)
    return [401, null, undefined, "Invalid credentials in Authorization header"];
  if (!repository || (repository.private && !authorization))
    return authorization ? [404, "RepoNotFound"] : [401, "RepoNotFound"];
  if (repository.gated) return [authorization ? 403 : 401, "GatedRepo"];
  return null;
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string | null,
  commit?: string,
  message?: string,
): void {
  if (code !== null) response.setHeader("x-error-code", code);
  if (message) response.setHeader("x-error-message", message);
  if (commit) response.setHeader("x-repo-commit", commit);
  response.writeHead(status).end("refused");
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json").end(JSON.stringify(value));
}

function send(request: IncomingMessage, response: ServerResponse, content: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (from > 0) {
    if (from >= content.length) return void response.writeHead(416).end();
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${from}-${content.length - 1}/${content.length}`);
  }
  const body = content.subarray(from);
  response.setHeader("content-length", body.length);
  response.end(request.method === "HEAD" ? undefined : body);
}

function stored(text: string | Buffer): StoredFile {
  const content = Buffer.from(text as string);
  const gitSha1 = createHash("sha1")
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest("hex");
  const large = content.length > 100;
  return { content, gitSha1, sha256: large ? sha256(content) : null };
}

export const sha256 = (content: Buffer | string): string =>
  createHash("sha256").update(content).digest("hex");

const listener = (handler: Handler): Server => createServer({ keepAlive: true }, handler);
const listen = (server: Server, host: string): Promise<void> =>
  new Promise((resolve) => server.listen(0, host, resolve));
function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `http://${address}:${port}`;
}

export const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  (_request, response) =>
    void response.writeHead(code, headers).end("no");

/** Sends so many bytes of the answer's body, and drops the connection once the client has `kept()` them. */
export const cutAfter =
  (bytes: number, kept: () => number): Fault =>
  (request, response, next) => {
    const from = Number(/\d+/.exec(request.headers.range ?? "")?.[0] ?? 0);
    const drop = () => {
      if (response.destroyed || kept() >= from + bytes) response.destroy();
      else setTimeout(drop, 5);
    };
    const end = response.end.bind(response);
    response.end = ((text: Buffer | string | undefined) => {
      const body = Buffer.from((text ?? "") as string);
      if (bytes > 0 && body.length > 0) response.write(body.subarray(0, bytes));
      else response.flushHeaders();
      setTimeout(drop, 5);
      return response;
    }) as typeof end;
    next();
  };

/** Drops the connection without an answer. */
export const hangUp: Fault = (_request, response) => void response.destroy();

/** Answers as if no range had been asked for. */
export const withoutRange: Fault = (request, _response, next) => {
  delete request.headers.range;
  next();
};

/** Sends these bytes with status 200, or with another. */
export const bodyOf =
  (body: Buffer | string, code = 200, headers: Record<string, string> = {}): Fault =>
  (_request, response) =>
    void response.writeHead(code, headers).end(body);

/** Never answers. */
export const silence: Fault = () => {};
