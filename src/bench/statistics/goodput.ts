/** Goodput by vLLM's rule: requests a second that meet every objective; a reply of one token meets any for TPOT. */
import { UsageError } from "../../user-error.ts";

export const objectives = ["ttft", "tpot", "e2el"] as const;
export type Objective = (typeof objectives)[number];

/** Milliseconds that a request may take; an objective left out is none. */
export type Objectives = Readonly<Partial<Record<Objective, number>>>;

/** Seconds of one successful request; `tpotS` is 0 for a reply of one token. */
export interface RequestTimes {
  readonly ttftS: number;
  readonly tpotS: number;
  readonly e2elS: number;
}

export function meets(times: RequestTimes, { ttft, tpot, e2el }: Objectives): boolean {
  return (
    times.ttftS <= (ttft ?? Infinity) / 1000 &&
    times.tpotS <= (tpot ?? Infinity) / 1000 &&
    times.e2elS <= (e2el ?? Infinity) / 1000
  );
}

/** Parses `ttft:200`. Throws a UsageError that completes the sentence "--goodput: ...". */
export function parseObjective(text: string): readonly [Objective, number] {
  const [name, ms, ...more] = text.split(":");
  const known = objectives.find((objective) => objective === name);
  if (!known || more.length > 0 || !/^[\d.]+(e\d+)?$/i.test(ms ?? "") || Number.isNaN(Number(ms))) {
    const names = objectives.join(", ");
    throw new UsageError(
      `'${text}' is no objective; expected NAME:MILLISECONDS, NAME one of ${names}`,
    );
  }
  return [known, Number(ms)];
}
