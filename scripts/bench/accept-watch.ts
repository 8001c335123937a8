/**
 * How long connections wait until a server accepts them, seen in the kernel's table of sockets: one that is established
 * and that no process has accepted belongs to no file yet, so its inode is 0. A thread of its own samples the table.
 */
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const everyMs = 20;

export interface AcceptWaits {
  /** The longest wait that the samples allow: from the last one without a connection to the first one without it again. */
  readonly longestMs: number;
  readonly mostWaiting: number;
}

export class AcceptWatch {
  readonly #worker: Worker;

  constructor(port: number) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { port } });
  }

  async stop(): Promise<AcceptWaits> {
    const waits = new Promise<AcceptWaits>((resolve) => this.#worker.once("message", resolve));
    this.#worker.postMessage("stop");
    const result = await waits;
    await this.#worker.terminate();
    return result;
  }
}

/** Remote addresses of the connections to a port that wait to be accepted. */
function waitingPeers(port: number): Set<string> {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const established = "01";
  const peers = new Set<string>();
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local, remote, state] = fields;
    const waits = state === established && fields[9] === "0" && local!.endsWith(ending);
    if (waits) peers.add(remote!);
  }
  return peers;
}

function watch(port: number): void {
  /** When each was last known not to wait yet. */
  let absentMs = new Map<string, number>();
  let lastMs = performance.now();
  let longestMs = 0;
  let mostWaiting = 0;
  setInterval(() => {
    const nowMs = performance.now();
    const peers = waitingPeers(port);
    for (const [peer, sinceMs] of absentMs) {
      if (!peers.has(peer)) longestMs = Math.max(longestMs, nowMs - sinceMs);
    }
    absentMs = new Map(Array.from(peers, (peer) => [peer, absentMs.get(peer) ?? lastMs]));
    mostWaiting = Math.max(mostWaiting, peers.size);
    lastMs = nowMs;
  }, everyMs);
  parentPort!.on("message", () => parentPort!.postMessage({ longestMs, mostWaiting }));
}

if (!isMainThread) watch((workerData as { port: number }).port);
