/** When what a run counts happened: requests done, prompts read, tokens come. The base of everything over time. */
import { gapsAfterFirst, type RecordedRun, succeeded } from "./records.ts";
import type { Counted } from "./figures.ts";

/** First send and last end. */
export function spanOf(run: RecordedRun): { readonly startS: number; readonly endS: number } {
  let startS = Infinity;
  let endS = -Infinity;
  for (const { sentS, latencyS } of run) {
    startS = Math.min(startS, sentS);
    if (latencyS >= 0) endS = Math.max(endS, sentS + latencyS);
  }
  return { startS, endS };
}

/**
 * Calls `event` for what successful requests brought and when: a request at its end, its prompt at the first token, its
 * output tokens in equal parts at its token events (at its end, where their times are not recorded).
 */
export function eventsOf(
  run: RecordedRun,
  count: Counted,
  event: (timeS: number, amount: number) => void,
): void {
  for (const record of succeeded(run)) {
    const { sentS, ttftS, latencyS, promptLen, outputLen } = record;
    const gapsS = gapsAfterFirst(record);
    if (Number.isNaN(sentS + latencyS + ttftS)) continue;
    if (count === "requests") event(sentS + latencyS, 1);
    else if (count === "input") event(sentS + ttftS, promptLen);
    else if (gapsS.length === 0) event(sentS + latencyS, outputLen);
    else {
      const share = outputLen / (gapsS.length + 1);
      let timeS = sentS + ttftS;
      event(timeS, share);
      for (const gapS of gapsS) event((timeS += gapS), share);
    }
  }
}

/** Changes of the number of requests in flight, ascending in time. */
export function concurrencyOf(
  run: RecordedRun,
): { readonly timeS: number; readonly count: number }[] {
  const changes = run.flatMap(({ sentS, latencyS }) => [
    { timeS: sentS, by: 1 },
    { timeS: sentS + (latencyS > 0 ? latencyS : 0), by: -1 },
  ]);
  changes.sort((a, b) => a.timeS - b.timeS || b.by - a.by);
  let count = 0;
  return changes.map(({ timeS, by }) => ({ timeS, count: (count += by) }));
}
