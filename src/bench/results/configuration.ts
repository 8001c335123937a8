/** What was asked of a run, as its line tells it: by this runs are grouped and matched. */
import { type Fields, numberOf, rateOf, type SavedRun, textOf } from "./lines.ts";

/** Parts of a configuration in the order in which they are named. Absent parts are left out. */
export type Configuration = Readonly<Partial<Record<Part, string>>>;

/** Who was measured, which often is the question, comes first; then the load, which should not differ. */
const whoParts = ["server", "backend", "model"] as const;
export const loadParts = ["data set", "lengths", "rate", "concurrency", "requests"] as const;
const parts = [...whoParts, ...loadParts];
type Part = (typeof parts)[number];

export function configurationOf(fields: Fields): Configuration {
  const rate = rateOf(fields);
  const all: Record<Part, string | null> = {
    server: textOf(fields, "server"),
    backend: textOf(fields, "backend"),
    model: textOf(fields, "model"),
    "data set": dataSetOf(fields),
    lengths: lengthsOf(fields),
    rate: rate === Infinity ? "inf" : (rate?.toString() ?? null),
    concurrency: numberOf(fields, "max_concurrency")?.toString() ?? null,
    requests: numberOf(fields, "planned")?.toString() ?? null,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}

/** "sharegpt (synthetic)": what stood in for the data set is another one. */
function dataSetOf(fields: Fields): string | null {
  const name = textOf(fields, "dataset_name");
  const source = textOf(fields, "dataset_source");
  if (name === null || source === null || source.startsWith(name)) return name ?? source;
  return `${name} (${source})`;
}

/** What was asked for, where that is what lengths are made of; else what the data set gave. */
function lengthsOf(fields: Fields): string | null {
  const name = textOf(fields, "dataset_name") ?? "";
  if (!name.startsWith("random")) {
    const fixed = numberOf(fields, "sharegpt_output_len");
    return fixed === null ? null : `output ${fixed}`;
  }
  const [input, output, ratio] = [
    "random_input_len",
    "random_output_len",
    "random_range_ratio",
  ].map((key) => numberOf(fields, key));
  return `${input ?? "?"}/${output ?? "?"}${ratio === null || ratio === 1 ? "" : ` x ${ratio}..1`}`;
}

/** Runs of one configuration, in the order of their lines. */
export interface RunGroup {
  readonly configuration: Configuration;
  readonly runs: readonly SavedRun[];
}

export function groupRuns(runs: readonly SavedRun[]): RunGroup[] {
  const groups = new Map<string, SavedRun[]>();
  for (const run of runs) {
    const key = JSON.stringify(configurationOf(run.fields));
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((members) => ({
    configuration: configurationOf(members[0]!.fields),
    runs: members,
  }));
}

export interface Mismatch {
  readonly part: Part;
  readonly a: string | null;
  readonly b: string | null;
}

export function mismatches(a: Configuration, b: Configuration): Mismatch[] {
  return parts
    .filter((part) => a[part] !== b[part])
    .map((part) => ({ part, a: a[part] ?? null, b: b[part] ?? null }));
}

export const sameLoad = (a: Configuration, b: Configuration): boolean =>
  loadParts.every((part) => part === "requests" || a[part] === b[part]);

/** "sglang, random 1024/128, rate 4, 300 requests". */
export function configurationText(
  configuration: Configuration,
  shown: readonly Part[] = parts,
): string {
  const words: Partial<Record<Part, (value: string) => string>> = {
    rate: (value) => (value === "inf" ? "all at once" : `${value} req/s`),
    concurrency: (value) => `concurrency ${value}`,
    requests: (value) => `${value} requests`,
  };
  return shown
    .flatMap((part) => {
      const value = configuration[part];
      return value === undefined ? [] : [words[part]?.(value) ?? value];
    })
    .join(", ");
}

/** Those parts in which not all groups agree: what tells them apart. */
export function distinguishing(configurations: readonly Configuration[]): Part[] {
  return parts.filter((part) => new Set(configurations.map((c) => c[part])).size > 1);
}

/** Runs that differ in one part only, or in the number of requests, named by what tells the series apart. */
export function seriesBy<R extends { readonly configuration: Configuration }>(
  runs: readonly R[],
  part: "rate" | "concurrency",
): { readonly name: string; readonly runs: readonly R[] }[] {
  const rest = ({ configuration }: R): Configuration => {
    const { [part]: _, requests: __, ...others } = configuration;
    return others;
  };
  const groups = Map.groupBy(runs, (run) => JSON.stringify(rest(run)));
  const members = [...groups.values()];
  const shown = distinguishing(members.map((group) => rest(group[0]!)));
  return members.map((group) => ({
    name: configurationText(rest(group[0]!), shown),
    runs: group,
  }));
}
