/** Goals of a search (service level objectives), and what runs say about meeting them. */
import { UsageError } from "../../user-error.ts";
import { drawFigure, type Interval, intervalOf, seeded } from "../compare/resample.ts";
import type { Measurements } from "../measurements.ts";
import { type Figure, figureOfMeasurements, parseFigure } from "../results/figures.ts";
import { mean } from "../statistics.ts";

/** A figure that must stay below a limit. */
export interface Goal {
  readonly text: string;
  readonly figure: Figure;
  readonly limit: number;
}

/** "ttft_p99<500", "e2e_p99<5s", "error_rate<1%". @throws UsageError */
export function parseGoal(text: string): Goal {
  const match = /^\s*([\w.]+)\s*<=?\s*(\d+(?:\.\d+)?)\s*(ms|s|%|)\s*$/.exec(text);
  if (!match) {
    throw new UsageError(`'${text}' is no goal; write a figure and its limit, like "ttft_p99<500"`);
  }
  const [, name, number, unit] = match as unknown as [string, string, string, string];
  const figure = parseFigure(name);
  if (figure.kind === "throughput") {
    throw new UsageError(`'${text}': goals are limits of latencies and of error_rate`);
  }
  if (unit !== "" && (unit === "%") !== (figure.unit === "%")) {
    throw new UsageError(`'${text}': ${figure.name} is in ${figure.unit}, not in ${unit}`);
  }
  const limit = Number(number) * (unit === "s" ? 1000 : 1);
  return { text: `${figure.name}<${number}${unit}`, figure, limit };
}

/** Latencies are of successes, so that a server that refuses would look fast. */
const usualErrorGoal = parseGoal("error_rate<1%");

export function withErrorGoal(goals: readonly Goal[]): readonly Goal[] {
  return goals.some(({ figure }) => figure.kind === "errors") ? goals : [...goals, usualErrorGoal];
}

/** A goal's figure in one run, and where it is with 95 % confidence; null: the run is too small to tell. */
export interface Estimate {
  readonly value: number;
  readonly interval: Interval | null;
}

/** By goal, in order; null where the run has no such figure, as when all requests failed. */
export type Estimates = readonly (Estimate | null)[];

export function estimate(goals: readonly Goal[], m: Measurements): Estimates {
  return goals.map(({ figure }) => {
    const value = figureOfMeasurements(figure, m);
    if (value === null) return null;
    const draws = drawFigure(figure, m, seeded("servebench sweep"));
    return { value, interval: "refused" in draws ? null : intervalOf(draws) };
  });
}

export interface Judgement {
  readonly met: boolean;
  /** The intervals of all figures that decide are on one side of their limits. */
  readonly sure: boolean;
  /** Over all runs, by goal. */
  readonly estimates: Estimates;
}

/** What runs at one rate or concurrency say together. */
export function judge(goals: readonly Goal[], runs: readonly Estimates[]): Judgement {
  const estimates = goals.map((_, i) => together(runs.map((run) => run[i] ?? null)));
  const verdicts = goals.map(({ limit }, i) => {
    const found = estimates[i]!;
    if (!found) return { met: false, sure: true };
    const { value, interval } = found;
    const met = value < limit;
    return { met, sure: interval !== null && (met ? interval.high < limit : interval.low > limit) };
  });
  const met = verdicts.every((verdict) => verdict.met);
  const deciding = met ? verdicts : verdicts.filter((verdict) => !verdict.met);
  const sure = met
    ? deciding.every((verdict) => verdict.sure)
    : deciding.some((verdict) => verdict.sure);
  return { met, sure, estimates };
}

/** The mean of the runs' values; the halves of their intervals add in squares, as independent errors do. */
function together(runs: readonly (Estimate | null)[]): Estimate | null {
  const known = runs.filter((run) => run !== null);
  if (known.length < runs.length || known.length === 0) return null;
  const value = mean(known.map((run) => run.value));
  const half = (side: (interval: Interval, own: number) => number): number => {
    const squares = known.map((run) => (run.interval ? side(run.interval, run.value) ** 2 : NaN));
    return Math.sqrt(squares.reduce((sum, square) => sum + square, 0)) / known.length;
  };
  const low = value - half((interval, own) => own - interval.low);
  const high = value + half((interval, own) => interval.high - own);
  return { value, interval: Number.isNaN(low + high) ? null : { low, high } };
}
