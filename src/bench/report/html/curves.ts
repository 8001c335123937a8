/** How latency and throughput change with the rate or the concurrency, with error bars. */
import { drawFigure, intervalOf, type Interval, seeded } from "../../compare/resample.ts";
import { type CurveAxis, curveAxes } from "../../results/curves.ts";
import { seriesBy } from "../../results/configuration.ts";
import { type Figure, figureOf, parseFigure } from "../../results/figures.ts";
import { mean } from "../../statistics.ts";
import { repeated } from "../../statistics/student.ts";
import type { Size } from "./chart.ts";
import { lineChart, type LinePoint } from "./lines.ts";
import type { Markup } from "./markup.ts";
import type { ReportedRun } from "./runs.ts";

const size: Size = { width: 440, height: 280 };

const axesTried: readonly CurveAxis[] = ["rate", "concurrency"];

/** Runs that differ in the axis only. */
interface Series {
  readonly name: string;
  readonly number: number;
  readonly runs: readonly ReportedRun[];
}

interface Curve {
  readonly series: Series;
  readonly figure: Figure;
  readonly dashed: boolean;
  readonly points: readonly LinePoint[];
}

const panels: readonly { readonly title: string; readonly figures: readonly string[] }[] = [
  { title: "TTFT (ms)", figures: ["ttft_p50", "ttft_p99"] },
  { title: "TPOT (ms)", figures: ["tpot_p50", "tpot_p99"] },
  { title: "E2E latency (ms)", figures: ["e2e_p50", "e2e_p99"] },
  { title: "Output tokens a second", figures: ["output_throughput"] },
];

export interface Curves {
  readonly axis: string;
  readonly charts: readonly Markup[];
}

/** One set for each of rate and concurrency that has at least two values. */
export function curveCharts(runs: readonly ReportedRun[]): Curves[] {
  return axesTried.flatMap((axis): Curves[] => {
    const { label, of } = curveAxes[axis];
    const varied = runs.filter((run) => of(run) !== null);
    if (new Set(varied.map(of)).size < 2) return [];
    const series = seriesBy(varied, axis).map((one, number) => ({ ...one, number }));
    const charts = panels.flatMap(
      ({ title, figures }) => panel(title, figures, series, axis) ?? [],
    );
    return charts.length === 0 ? [] : [{ axis: label, charts }];
  });
}

function panel(
  title: string,
  names: readonly string[],
  series: readonly Series[],
  axis: CurveAxis,
): Markup | null {
  const curves = names
    .flatMap((name, i) => series.map((one) => curveOf(one, parseFigure(name), i > 0, axis)))
    .filter(({ points }) => points.length > 0);
  if (curves.length === 0) return null;
  const lines = curves.map((curve) => ({
    name: curveName(curve, names.length > 1),
    colour: curve.series.number,
    dashed: curve.dashed,
    points: curve.points,
  }));
  return lineChart({ title, xLabel: curveAxes[axis].label, size, lines });
}

function curveOf(series: Series, figure: Figure, dashed: boolean, axis: CurveAxis): Curve {
  const byX = Map.groupBy(series.runs, (run) => curveAxes[axis].of(run)!);
  const points = [...byX].flatMap(([x, runs]): LinePoint[] => {
    const values = runs.flatMap(
      (run) => figureOf(figure, run.saved, run.records ?? undefined) ?? [],
    );
    return values.length === 0
      ? []
      : [{ x, y: mean(values), interval: errorBar(figure, runs, values) }];
  });
  return { series, figure, dashed, points: points.sort((a, b) => a.x - b.x) };
}

/** Rounds of the bootstrap of an error bar: it is drawn, not read to a digit. */
const rounds = 200;

/** Student's t from three runs on, the two values themselves from two, one run's records drawn again. */
function errorBar(
  figure: Figure,
  runs: readonly ReportedRun[],
  values: readonly number[],
): Interval | null {
  if (values.length > 2) {
    const [low, high] = repeated(values).interval!;
    return { low, high };
  }
  if (values.length === 2) return { low: Math.min(...values), high: Math.max(...values) };
  const records = runs[0]?.records;
  // Slices of time tell of a run's beginning and end too; for a curve of rates that is no error.
  if (!records || figure.kind === "throughput") return null;
  const draws = drawFigure(figure, records, seeded("servebench report"), rounds);
  return "refused" in draws ? null : intervalOf(draws);
}

const statisticName = ({ name }: Figure): string => name.split("_")[1]!;

function curveName({ series, figure }: Curve, severalFigures: boolean): string {
  const parts = [series.name, ...(severalFigures ? [statisticName(figure)] : [])];
  return parts.filter((part) => part !== "").join(" ");
}
