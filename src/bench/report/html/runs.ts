/** The runs of a report, named by what tells them apart. */
import {
  type Configuration,
  configurationOf,
  configurationText,
  distinguishing,
  groupRuns,
} from "../../results/configuration.ts";
import type { Measurements } from "../../measurements.ts";
import type { SavedRun } from "../../results/lines.ts";

export interface ReportedRun {
  /** Short, and another for each run. */
  readonly name: string;
  readonly saved: SavedRun;
  readonly configuration: Configuration;
  readonly records: Measurements | null;
  /** Of its lines and bars; null: it is not drawn. */
  readonly colour: number | null;
}

/** Lines of more runs in one chart, and charts of more runs, would not be read. */
const drawnMax = 6;

/** Runs of one configuration beside one another. */
export function reportedRuns(
  saved: readonly SavedRun[],
  records: ReadonlyMap<SavedRun, Measurements>,
): ReportedRun[] {
  const runs = groupRuns(saved).flatMap((group) => group.runs);
  const configurations = runs.map(({ fields }) => configurationOf(fields));
  const parts = distinguishing(configurations).filter((part) => part !== "requests");
  const names = configurations.map((configuration) => configurationText(configuration, parts));
  const seen = new Map<string, number>();
  const drawn = evenly(
    runs.filter((run) => records.has(run)),
    drawnMax,
  );
  return runs.map((run, number) => {
    const name = short(names[number]!);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    const alone = names.filter((other) => short(other) === name).length === 1;
    return {
      name: name === "" ? `run ${number + 1}` : alone ? name : `${name} #${count}`,
      saved: run,
      configuration: configurations[number]!,
      records: records.get(run) ?? null,
      colour: drawn.includes(run) ? drawn.indexOf(run) : null,
    };
  });
}

const nameMax = 44;
const short = (name: string): string =>
  name.length <= nameMax ? name : `${name.slice(0, nameMax - 1)}\u2026`;

/** All of few, else some from the first to the last. */
function evenly<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from(
    { length: count },
    (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!,
  );
}
