/**
 * Little's law: the mean number of requests under way is their rate times their mean time. The three are measured
 * apart from each other within a window; where they disagree, the load was not steady there or the client's clock or
 * its book-keeping is wrong. (Over a whole run, from nothing to nothing, they agree whatever happened.)
 */
import { mean } from "../statistics.ts";
import { timesWithin, type Lives, type Window } from "./steady-state.ts";

/** How far the ratio may be from 1: requests on the edges of the window weigh in. */
export const tolerance = 0.1;

export interface LittlesLaw {
  /** Measured: time that requests spent under way in the window, by its length. */
  readonly concurrency: number;
  /** Requests a second: the mean of what was sent and what ended in the window. */
  readonly rate: number;
  /** Mean time of the requests that were sent in the window. */
  readonly timeS: number;
  /** `concurrency / (rate * timeS)`. */
  readonly ratio: number;
  readonly holds: boolean;
}

export function littlesLaw(lives: Lives, window: Window): LittlesLaw {
  const { fromS, toS, concurrency } = window;
  const timesS = timesWithin(lives, fromS, toS);
  const ended = lives.endedS.filter((s) => s >= fromS && s < toS).length;
  const rate = (timesS.length + ended) / 2 / (toS - fromS);
  const timeS = mean(timesS);
  const ratio = concurrency / (rate * timeS);
  return { concurrency, rate, timeS, ratio, holds: Math.abs(ratio - 1) <= tolerance };
}
