/** Two sets of runs beside each other: matched by what was asked of them, and each figure's difference. */
import {
  type Configuration,
  groupRuns,
  type Mismatch,
  mismatches,
  type RunGroup,
  sameLoad,
} from "../results/configuration.ts";
import { type Figure, figureOf, headlines, intervalOfLine } from "../results/figures.ts";
import { allFailed, failuresText, type SavedRun } from "../results/lines.ts";
import type { Measurements } from "../measurements.ts";
import { mean } from "../statistics.ts";
import { studentCdf, studentQuantile } from "../statistics/student.ts";
import {
  confidence,
  type Draws,
  drawFigure,
  type Interval,
  intervalOf,
  type Random,
  seeded,
} from "./resample.ts";
import { welch } from "./welch.ts";

export type Records = ReadonlyMap<SavedRun, Measurements>;

/** "same": a difference that chance explains; "unknown": nothing can be said about that. */
export type Verdict = "better" | "worse" | "same" | "unknown";

export interface Difference {
  readonly figure: Figure;
  /** Means over the runs of each side. */
  readonly a: number;
  readonly b: number;
  /** b - a. */
  readonly change: number;
  /** Where the change is with 95 % confidence. */
  readonly interval: Interval | null;
  /** How often chance alone gives such a difference. */
  readonly p: number | null;
  readonly verdict: Verdict;
  /** How the interval was found, or why there is none. */
  readonly method: string;
}

export interface Pair {
  readonly a: RunGroup;
  readonly b: RunGroup;
  /** In what the two were asked for different things. */
  readonly mismatches: readonly Mismatch[];
  readonly differences: readonly Difference[];
  readonly warnings: readonly string[];
}

export interface Comparison {
  readonly pairs: readonly Pair[];
  /** Groups of runs without a counterpart. */
  readonly onlyA: readonly RunGroup[];
  readonly onlyB: readonly RunGroup[];
}

/** @param more Figures beside the headlines. */
export function compareRuns(
  a: readonly SavedRun[],
  b: readonly SavedRun[],
  records: Records,
  more: readonly Figure[] = [],
): Comparison {
  const { matched, onlyA, onlyB } = matchGroups(groupRuns(a), groupRuns(b));
  const known = new Set(headlines.map((figure) => figure.name));
  const figures = [...headlines, ...more.filter((figure) => !known.has(figure.name))];
  const pairs = matched.map(([groupA, groupB]): Pair => {
    const random = seeded("servebench compare");
    return {
      a: groupA,
      b: groupB,
      mismatches: mismatches(groupA.configuration, groupB.configuration),
      differences: figures.flatMap((f) => difference(f, groupA, groupB, records, random) ?? []),
      warnings: [...warningsOf("A", groupA), ...warningsOf("B", groupB)],
    };
  });
  return { pairs, onlyA, onlyB };
}

/** The same configuration, else the same load on another server; what is left alone on both sides is a pair too. */
function matchGroups(groupsA: readonly RunGroup[], groupsB: readonly RunGroup[]) {
  const onlyA = [...groupsA];
  const onlyB = [...groupsB];
  const matched: [RunGroup, RunGroup][] = [];
  const take = (fits: (a: Configuration, b: Configuration) => boolean): void => {
    for (const a of onlyA.slice()) {
      const at = onlyB.findIndex((b) => fits(a.configuration, b.configuration));
      if (at < 0) continue;
      matched.push([a, onlyB[at]!]);
      onlyB.splice(at, 1);
      onlyA.splice(onlyA.indexOf(a), 1);
    }
  };
  take((a, b) => mismatches(a, b).length === 0);
  take(sameLoad);
  if (onlyA.length === 1 && onlyB.length === 1) take(() => true);
  matched.sort(([x], [y]) => groupsA.indexOf(x) - groupsA.indexOf(y));
  return { matched, onlyA, onlyB };
}

function difference(
  figure: Figure,
  groupA: RunGroup,
  groupB: RunGroup,
  records: Records,
  random: Random,
): Difference | null {
  const valuesA = valuesOf(figure, groupA, records);
  const valuesB = valuesOf(figure, groupB, records);
  if (!valuesA || !valuesB) return null;
  const [a, b] = [mean(valuesA), mean(valuesB)];
  const found = chance(
    figure,
    { group: groupA, values: valuesA },
    { group: groupB, values: valuesB },
    {
      records,
      random,
    },
  );
  return {
    figure,
    a,
    b,
    change: b - a,
    ...found,
    verdict: verdictOf(figure, b - a, found.interval),
  };
}

/** null if a run lacks the figure. */
function valuesOf(figure: Figure, { runs }: RunGroup, records: Records): number[] | null {
  const values = runs.map((run) => figureOf(figure, run, records.get(run)));
  return values.every((value) => value !== null) ? values : null;
}

type Chance = Pick<Difference, "interval" | "p" | "method">;

interface Side {
  readonly group: RunGroup;
  readonly values: readonly number[];
}

/** Several runs on both sides tell best what varies between runs; records tell what varies within one. */
function chance(
  figure: Figure,
  a: Side,
  b: Side,
  { records, random }: { readonly records: Records; readonly random: Random },
): Chance {
  if (a.values.length > 1 && b.values.length > 1) {
    const { interval, p } = welch(a.values, b.values);
    return { interval, p, method: `Welch's t, ${a.values.length} and ${b.values.length} runs` };
  }
  const drawsA = groupDraws(figure, a.group, records, random);
  const drawsB = groupDraws(figure, b.group, records, random);
  if ("refused" in drawsA || "refused" in drawsB) {
    const refused = "refused" in drawsA ? drawsA.refused : (drawsB as { refused: string }).refused;
    return fromLines(figure, a, b) ?? { interval: null, p: null, method: refused };
  }
  const rounds = Math.min(drawsA.length, drawsB.length);
  const draws = Float64Array.from({ length: rounds }, (_, i) => drawsB[i]! - drawsA[i]!);
  const below = draws.filter((draw) => draw <= 0).length;
  const above = draws.filter((draw) => draw >= 0).length;
  const p = Math.min(1, Math.max(1 / rounds, (2 * Math.min(below, above)) / rounds));
  return { interval: intervalOf(draws), p, method: "block bootstrap of the records" };
}

/** Two runs without records whose lines tell intervals: the errors are independent, so they add in squares. */
function fromLines(figure: Figure, a: Side, b: Side): Chance | null {
  const [runA, runB] = [a.group.runs[0]!, b.group.runs[0]!];
  const toldA = intervalOfLine(figure, runA.fields);
  const toldB = intervalOfLine(figure, runB.fields);
  if (!toldA || !toldB || a.values.length + b.values.length > 2) return null;
  const [valueA, valueB] = [a.values[0]!, b.values[0]!];
  const change = valueB - valueA;
  const low = change - Math.hypot(valueB - toldB[0], toldA[1] - valueA);
  const high = change + Math.hypot(toldB[1] - valueB, valueA - toldA[0]);
  const error = (high - low) / 2 / studentQuantile(0.5 + confidence / 2, normal);
  const p =
    error === 0 ? Number(change === 0) : 2 * (1 - studentCdf(Math.abs(change) / error, normal));
  return { interval: { low, high }, p, method: "the intervals of the two result lines" };
}

/** Degrees of freedom with which Student's distribution is the normal one. */
const normal = 1e6;

/** Draws of the mean over the runs of a group. */
function groupDraws(figure: Figure, { runs }: RunGroup, records: Records, random: Random): Draws {
  const all: Float64Array[] = [];
  for (const run of runs) {
    const own = records.get(run);
    if (!own) return { refused: "no records and a single run" };
    const draws = drawFigure(figure, own, random);
    if ("refused" in draws) return draws;
    all.push(draws);
  }
  const rounds = Math.min(...all.map((draws) => draws.length));
  return Float64Array.from({ length: rounds }, (_, i) => mean(all.map((draws) => draws[i]!)));
}

function verdictOf({ better }: Figure, change: number, interval: Interval | null): Verdict {
  if (!interval) return change === 0 ? "same" : "unknown";
  if (interval.low <= 0 && interval.high >= 0) return "same";
  return change > 0 === (better === "higher") ? "better" : "worse";
}

function warningsOf(side: "A" | "B", { runs }: RunGroup): string[] {
  const where = ({ file, line }: SavedRun): string =>
    line === null ? `${side}, ${file}` : `${side}, line ${line} of ${file}`;
  return runs.flatMap((run) => {
    const found: string[] = [];
    const failures = failuresText(run.fields);
    if (failures !== null) found.push(`${where(run)}: ${failures}`);
    if (run.fields["interrupted"] === true) found.push(`${where(run)}: interrupted.`);
    if (run.fields["valid"] === false || run.fields["invalid"]) {
      found.push(`${where(run)}: marked invalid when it was measured.`);
    }
    return found;
  });
}

/** Whether a run of either side has no success at all. */
export const anyAllFailed = (comparison: Comparison): boolean =>
  [
    ...comparison.pairs.flatMap(({ a, b }) => [a, b]),
    ...comparison.onlyA,
    ...comparison.onlyB,
  ].some(({ runs }) => runs.some(({ fields }) => allFailed(fields)));
