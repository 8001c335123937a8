/**
 * The part of a run in which the load was steady: between the ramp-up, while requests still pile up, and the drain,
 * when nothing new comes. Only there are rates and latencies those of the load that was asked for.
 */
import { mean, median } from "../statistics.ts";
import { inFlight } from "./timeline.ts";

/** Requests under way count as on the plateau from this share of it up. */
const plateauShare = 0.8;
/** Between the halves of the window the number of requests under way may differ by this share of its mean. */
const driftMax = 0.2;
/** Mean times of a request: what is shorter shows a moment, not a state. */
const lengthMin = 3;
/** Of the run. */
const shareMin = 0.2;
const requestsMin = 20;
const binsMax = 400;

export interface Window {
  readonly fromS: number;
  readonly toS: number;
  /** Mean number of requests under way. */
  readonly concurrency: number;
}

/** Requests in order of sending: seconds from the start of the run. */
export interface Lives {
  readonly sentS: Float64Array;
  readonly endedS: Float64Array;
}

/** The steady window of a run that took `durationS`, or why there is none. */
export function steadyWindow(lives: Lives, durationS: number): Window | string {
  const { sentS, endedS } = lives;
  const bins = Math.min(binsMax, Math.floor(sentS.length / 5));
  if (sentS.length < requestsMin) return `fewer than ${requestsMin} requests were sent`;
  const load = inFlight(sentS, endedS, 0, durationS, bins);
  const plateau = median(load.subarray(Math.floor(bins / 4), Math.ceil((3 * bins) / 4)));
  const onPlateau = (count: number): boolean => count >= plateauShare * plateau;
  const fromS = (load.findIndex(onPlateau) * durationS) / bins;
  const offS = ((load.findLastIndex(onPlateau) + 1) * durationS) / bins;
  // With the last send the drain begins, however much is under way.
  const toS = Math.min(
    offS,
    sentS.reduce((a, b) => Math.max(a, b)),
  );
  if (toS - fromS < shareMin * durationS) {
    return "for less than a fifth of the run was the load at its plateau while requests were sent";
  }
  const timesS = timesWithin(lives, fromS, toS);
  if (timesS.length < requestsMin)
    return `fewer than ${requestsMin} requests were sent while the load was steady`;
  const timeS = mean(timesS);
  if (toS - fromS < lengthMin * timeS)
    return `the load was steady for less than ${lengthMin} times what a request takes`;
  const halves = inFlight(sentS, endedS, fromS, toS, 2);
  const concurrency = mean(halves);
  if (Math.abs(halves[0]! - halves[1]!) > driftAllowed(concurrency, timeS, toS - fromS)) {
    const [a, b] = Array.from(halves, (count) => count.toFixed(1));
    return `the number of requests under way never settled (${a}, then ${b} on average)`;
  }
  return { fromS, toS, concurrency };
}

/** How long requests took that were sent in a window. */
export function timesWithin({ sentS, endedS }: Lives, fromS: number, toS: number): Float64Array {
  const timesS = sentS.map((s, i) => (s >= fromS && s < toS ? endedS[i]! - s : NaN));
  return timesS.filter((seconds) => !Number.isNaN(seconds));
}

/** Requests that come at random differ too: twice the deviation that a Poisson stream has is allowed. */
function driftAllowed(concurrency: number, timeS: number, lengthS: number): number {
  return Math.max(driftMax * concurrency, 2 * Math.sqrt((8 * concurrency * timeS) / lengthS));
}
