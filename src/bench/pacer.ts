/** Sends on an absolute schedule: a late send never delays the ones after it. */
import type { Schedule } from "./schedule.ts";

/** Timers fire up to a millisecond late, so the last stretch is spent turning the event loop. */
const spinMs = 2;
/** Sends between two turns of the event loop, so that a burst of thousands does not hold up time stamps. */
const burst = 32;

/**
 * Calls `send(i)` when `startMs + dueS(i) * 1000` has come on `performance.now()`'s clock; `dueS` ascends.
 * Resolves after the last call, or early on abort.
 */
export function pace(
  { count, dueS }: Pick<Schedule, "count" | "dueS">,
  startMs: number,
  signal: AbortSignal,
  send: (index: number) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let next = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waitMs = (): number => startMs + dueS(next) * 1000 - performance.now();
  const turn = (): void => {
    for (let sent = 0; sent < burst && next < count && waitMs() <= 0; sent++) {
      if (signal.aborted) break;
      send(next++);
    }
    if (next === count || signal.aborted) resolve();
    else if (waitMs() > spinMs) timer = setTimeout(turn, Math.floor(waitMs() - 1));
    else setImmediate(turn);
  };
  const stop = (): void => {
    clearTimeout(timer);
    resolve();
  };
  signal.addEventListener("abort", stop, { once: true });
  turn();
  return promise.finally(() => signal.removeEventListener("abort", stop));
}
