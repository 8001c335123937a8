/**
 * The greatest rate or concurrency that meets the goals: doubled or halved until it is between one that meets them and
 * one that does not, then bisected. Where an interval holds a limit, the run is repeated before it decides.
 */
import type { Estimates, Goal, Judgement } from "./goals.ts";
import { judge } from "./goals.ts";

export interface SearchBounds {
  readonly integer: boolean;
  readonly start: number;
  readonly least: number;
  readonly greatest: number;
  /** The search ends when the two ends differ by this share at most. */
  readonly precision: number;
  /** Runs of one value at most, and of the answer at least. */
  readonly repeats: number;
}

export interface Tried {
  readonly value: number;
  readonly judgement: Judgement;
  readonly runs: number;
}

export interface Found {
  /** null: none within the bounds meets the goals. */
  readonly best: Tried | null;
  /** The least that did not; null: even the greatest allowed does. */
  readonly above: Tried | null;
  readonly tried: readonly Tried[];
  readonly runs: number;
}

/**
 * @param probe Does the run of that number (from 0) at a value; null when it could not be done (Ctrl-C).
 * @returns null when interrupted.
 */
export async function search(
  goals: readonly Goal[],
  bounds: SearchBounds,
  probe: (value: number, run: number) => Promise<Estimates | null>,
): Promise<Found | null> {
  const runs = new Map<number, Estimates[]>();
  const tried = new Map<number, Tried>();
  const more = async (value: number): Promise<Tried | null> => {
    const done = runs.get(value) ?? [];
    const estimates = await probe(value, done.length);
    if (!estimates) return null;
    runs.set(value, [...done, estimates]);
    const judgement = judge(goals, runs.get(value)!);
    tried.set(value, { value, judgement, runs: done.length + 1 });
    return tried.get(value)!;
  };
  /** Until it is sure, or the runs are used up; `least` runs in any case. */
  const decide = async (value: number, least: number): Promise<Tried | null> => {
    let now = tried.get(value) ?? (await more(value));
    while (now && now.runs < bounds.repeats && (!now.judgement.sure || now.runs < least)) {
      now = await more(value);
    }
    return now;
  };
  for (;;) {
    const { met, missed } = ends([...tried.values()]);
    const next = nextValue(met?.value ?? null, missed?.value ?? null, bounds);
    if (next !== null) {
      if (!(await decide(next, 1))) return null;
      continue;
    }
    // The answer itself is confirmed; if it does not hold, the search goes on below it.
    if (met && met.runs < bounds.repeats) {
      const confirmed = await decide(met.value, bounds.repeats);
      if (!confirmed) return null;
      if (!confirmed.judgement.met) continue;
    }
    const total = [...tried.values()].reduce((sum, one) => sum + one.runs, 0);
    const best = ends([...tried.values()]).met;
    return { best, above: missed, tried: [...tried.values()], runs: total };
  }
}

/** The least value that missed the goals, and the greatest below it that met them. */
function ends(tried: readonly Tried[]): { met: Tried | null; missed: Tried | null } {
  const byValue = tried.toSorted((a, b) => a.value - b.value);
  const missed = byValue.find(({ judgement }) => !judgement.met) ?? null;
  const met =
    byValue.findLast(
      ({ judgement, value }) => judgement.met && (!missed || value < missed.value),
    ) ?? null;
  return { met, missed };
}

/** null: nothing is left to be tried. */
export function nextValue(
  met: number | null,
  missed: number | null,
  { integer, start, least, greatest, precision }: SearchBounds,
): number | null {
  if (met === null && missed === null) return start;
  if (missed === null) return met! >= greatest ? null : Math.min(greatest, met! * 2);
  if (met === null) {
    if (missed <= least) return null;
    return Math.max(least, integer ? Math.floor(missed / 2) : missed / 2);
  }
  if (integer)
    return missed - met <= Math.max(1, precision * met) ? null : Math.floor((met + missed) / 2);
  if (missed / met <= 1 + precision) return null;
  const middle = Number(Math.sqrt(met * missed).toPrecision(3));
  return middle > met && middle < missed ? middle : null;
}
