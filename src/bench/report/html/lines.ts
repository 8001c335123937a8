/** A chart of lines with dots at their points, error bars, and names at their ends. */
import type { Interval } from "../../compare/resample.ts";
import { logRatio } from "../../results/curves.ts";
import { numberText } from "../../results/number-text.ts";
import {
  axes,
  chart,
  label,
  line,
  margins,
  plotPlaces,
  px,
  seriesName,
  spreadLabels,
  type Size,
  textWidth,
} from "./chart.ts";
import { type Markup, markup } from "./markup.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

export interface ChartLine {
  readonly name: string;
  readonly colour: number;
  readonly dashed: boolean;
  /** Ascending in x; at least one. */
  readonly points: readonly LinePoint[];
}

export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly interval: Interval | null;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly size: Size;
  readonly lines: readonly ChartLine[];
  /** Instead of round ones. */
  readonly xTicks?: readonly number[];
  /** From 0 if not given. */
  readonly logY?: boolean;
}

export function lineChart(spec: LineChart): Markup {
  const { title, xLabel, size, lines } = spec;
  const right = Math.min(170, Math.max(...lines.map(({ name }) => textWidth(name))) + 14);
  const around = { ...margins, right, bottom: 38 };
  const { x, y } = scales(spec, plotPlaces(size, around));
  const ends = spreadLabels(
    lines.map(({ points }) => y.at(points.at(-1)!.y)),
    14,
    plotPlaces(size, around).y.from,
  );
  const description = `${title} by ${xLabel}. ${lines.map(lineWords).join("; ")}.`;
  return chart(size, { title, description }, [
    axes({ x, y, xLabel }, size, around),
    ...lines.map((one) => lineMarkup(one, x, y)),
    ...lines.map(({ name, colour, points }, i) =>
      label({ x: x.at(points.at(-1)!.x) + 8, y: ends[i]! + 4 }, name, seriesName(colour)),
    ),
  ]);
}

function scales(
  { lines, xTicks, logY }: LineChart,
  places: ReturnType<typeof plotPlaces>,
): { readonly x: Scale; readonly y: Scale } {
  const points = lines.flatMap((one) => one.points);
  const xs = points.map((point) => point.x);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const x = high / low > logRatio ? logScale(low, high, places.x) : linearScale(0, high, places.x);
  const ys = points.map((point) => point.y);
  const top = Math.max(...points.map((point) => point.interval?.high ?? point.y), 0);
  const y = logY
    ? logScale(Math.min(...ys) / 1.2, top * 1.2, places.y)
    : linearScale(0, top, places.y);
  return { x: xTicks ? { ...x, ticks: xTicks } : x, y };
}

function lineWords({ name, points }: ChartLine): string {
  const words = points.map(({ x, y }) => `${numberText(y)} at ${numberText(x)}`).join(", ");
  return name === "" ? words : `${name}: ${words}`;
}

function lineMarkup({ colour, dashed, points }: ChartLine, x: Scale, y: Scale): Markup {
  const name = seriesName(colour);
  const places = points.map((point) => ({ ...point, x: x.at(point.x), y: y.at(point.y) }));
  return markup`${line(places, dashed ? `${name} dashed` : name)}${places.map(
    (place, i) =>
      markup`${errorMarkup(place, y, name)}<circle class="dot ${name}" cx="${px(place.x)}" cy="${px(place.y)}" r="3"><title>${numberText(points[i]!.y)} at ${numberText(points[i]!.x)}</title></circle>`,
  )}`;
}

function errorMarkup({ x: at, interval }: LinePoint, scale: Scale, name: string): Markup | null {
  if (!interval) return null;
  const [low, high] = [
    px(scale.at(Math.max(interval.low, scale.low))),
    px(scale.at(interval.high)),
  ];
  return markup`<path class="error ${name}" d="M${px(at)} ${low}V${high}M${px(at - 3)} ${low}h6M${px(at - 3)} ${high}h6"/>`;
}
