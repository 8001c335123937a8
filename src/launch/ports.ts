/** TCP ports of this machine: which are free, and who holds one that is not. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { UserError } from "../user-error.ts";

/** The first port from `from` on that can be listened on and is not among `taken`. */
export async function freePort(host: string, from: number, taken: ReadonlySet<number>) {
  for (let port = from; port <= 65535; port++) {
    if (!taken.has(port) && (await listenError(host, port)) === null) return port;
  }
  throw new UserError(`no port from ${from} to 65535 is free on ${host}; name one by --port`);
}

/** @throws UserError that says who holds the port, or why it cannot be listened on. */
export async function checkPort(host: string, port: number): Promise<void> {
  const why = await listenError(host, port);
  if (why === null) return;
  if (why !== "EADDRINUSE") throw new UserError(`cannot listen on ${host}:${port}: ${why}`);
  const holder = portHolder(port);
  const who = holder === null ? "another process" : `process ${holder.pid} (${holder.command})`;
  throw new UserError(
    `port ${port} is taken by ${who}; end it, or leave --port out for a free one`,
  );
}

/** null when it can be listened on. */
function listenError(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

export interface PortHolder {
  readonly pid: number;
  /** Its command line, cut to a readable length. */
  readonly command: string;
}

/** The process that listens on a port; null where /proc does not show it (another user's). */
export function portHolder(port: number): PortHolder | null {
  const sockets = listeningSockets(port);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (descriptors(pid).some((target) => sockets.has(target))) {
      return { pid: Number(pid), command: commandOf(pid) };
    }
  }
  return null;
}

/** What /proc/PID/fd calls the sockets that listen on a port: "socket:[INODE]". */
function listeningSockets(port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = ["tcp", "tcp6"].flatMap((table) => textOf(`/proc/net/${table}`).split("\n"));
  const fields = rows.map((row) => row.trim().split(/\s+/));
  const listening = fields.filter((f) => f[1]?.endsWith(`:${hex}`) && f[3] === "0A");
  return new Set(listening.map((f) => `socket:[${f[9]}]`));
}

function descriptors(pid: string): string[] {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).flatMap((fd) => linkOf(`${folder}/${fd}`) ?? []);
  } catch {
    return []; // ended, or another user's
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function commandOf(pid: string): string {
  const words = textOf(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
  return words.length > 80 ? `${words.slice(0, 79)}…` : words;
}
