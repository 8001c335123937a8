/** What plots of runs show, as points: distributions, what happened over time, figures over the rate. */
import { brought, type Counted } from "../analysis/throughput.ts";
import type { Measurements } from "../measurements.ts";
import { mean } from "../statistics.ts";
import { amounts } from "../statistics/timeline.ts";
import { type ListedRun } from "./columns.ts";
import { configurationOf, configurationText, distinguishing, seriesBy } from "./configuration.ts";
import { cumulative, distributionOf } from "./distribution.ts";
import { durationOf, type Figure, figureOfLine, type LatencyMetric } from "./figures.ts";
import { numberOf, rateOf } from "./lines.ts";

export interface Points {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Each run's label, and what was asked of it where the runs differ in that. */
export function seriesNames(runs: readonly ListedRun[]): string[] {
  const configurations = runs.map(({ saved }) => configurationOf(saved.fields));
  const parts = distinguishing(configurations).filter((part) => part !== "requests");
  return runs.map(({ name }, i) =>
    [name, configurationText(configurations[i]!, parts)].filter((part) => part !== "").join(" "),
  );
}

/** Percent of requests (or gaps) over milliseconds; no point for fewer than two values. */
export function cdfPoints(metric: LatencyMetric, m: Measurements): Points["points"] {
  const distribution = distributionOf(metric, m);
  if (distribution.count < 2) return [];
  return cumulative(distribution).map(({ percent, ms }) => ({ x: ms, y: percent }));
}

/** Amounts a second over seconds, in slices of equal width; no point where times are not known. */
export function overTimePoints(what: Counted, m: Measurements, slices: number): Points["points"] {
  const endS = durationOf(m);
  if (!(endS > 0)) return [];
  const widthS = endS / slices;
  const rates = amounts(brought[what](m, m.indices("ok")), 0, endS, slices);
  return Array.from(rates).flatMap((amount, i) =>
    [i, i + 1].map((edge) => ({ x: edge * widthS, y: amount / widthS })),
  );
}

export type CurveAxis = "rate" | "concurrency";

/** Beyond this ratio of the largest to the smallest value, the axis is logarithmic. */
export const logRatio = 12;

export const curveAxes: Readonly<
  Record<CurveAxis, { readonly label: string; of(run: Pick<ListedRun, "saved">): number | null }>
> = {
  rate: {
    label: "request rate (req/s)",
    of: ({ saved }) => {
      const rate = rateOf(saved.fields);
      return rate === Infinity ? null : rate;
    },
  },
  concurrency: {
    label: "greatest concurrency",
    of: ({ saved }) => numberOf(saved.fields, "max_concurrency"),
  },
};

/** A figure over what the runs were varied by, a series for runs that differ in nothing else; means of repeated runs. */
export function figureCurves(
  figure: Figure,
  axis: CurveAxis,
  runs: readonly ListedRun[],
): Points[] {
  const along = curveAxes[axis].of;
  const varied = runs
    .filter((run) => along(run) !== null)
    .map((run) => {
      const { server: _, ...configuration } = configurationOf(run.saved.fields);
      const server = run.system === null ? {} : { server: run.system };
      return { run, configuration: { ...server, ...configuration } };
    });
  return seriesBy(varied, axis).flatMap(({ name, runs: members }) => {
    const byX = Map.groupBy(members, ({ run }) => along(run)!);
    const points = [...byX].flatMap(([x, same]) => {
      const values = same.flatMap(({ run }) => figureOfLine(figure, run.saved.fields) ?? []);
      return values.length === 0 ? [] : [{ x, y: mean(values) }];
    });
    return points.length === 0 ? [] : [{ name, points: points.sort((a, b) => a.x - b.x) }];
  });
}
