/** Bars in groups: what several did in each of several tasks. */
import { numberText } from "../../results/number-text.ts";
import {
  axes,
  chart,
  label,
  margins,
  plotPlaces,
  px,
  seriesName,
  type Size,
  textWidth,
} from "./chart.ts";
import { type Markup, markup } from "./markup.ts";
import { linearScale } from "./scale.ts";

export interface BarSeries {
  readonly name: string;
  readonly colour: number;
  /** Drawn as an outline: known from elsewhere, not measured. */
  readonly outlined: boolean;
  /** One for each group; null: there is none. */
  readonly values: readonly (number | null)[];
}

export interface BarGroup {
  readonly name: string;
  /** Below the name, smaller. */
  readonly lines: readonly string[];
}

/** Of a group's width, what its bars take. */
const filled = 0.82;
const barMax = 46;
/** Below this width of a bar, its figure would touch the next one's. */
const figureWidth = 26;

export function barChart(
  title: string,
  size: Size,
  groups: readonly BarGroup[],
  series: readonly BarSeries[],
): Markup {
  const around = { ...margins, top: 52, bottom: 62, right: 4 };
  const places = plotPlaces(size, around);
  const values = series.flatMap((one) => one.values.map((value) => value ?? 0));
  const y = linearScale(0, Math.max(...values, 0), places.y);
  const groupWidth = (places.x.to - places.x.from) / groups.length;
  const width = Math.min(barMax, (groupWidth * filled) / series.length);
  const middle = (group: number): number => places.x.from + (group + 0.5) * groupWidth;
  const left = (group: number, i: number): number =>
    middle(group) + (i - series.length / 2) * width;
  const none = { ticks: [], at: middle, low: 0, high: groups.length };
  return chart(size, { title, description: descriptionOf(title, groups, series) }, [
    axes({ x: none, y }, size, around),
    legend(series),
    ...groups.map((group, g) => groupMarkup(group, middle(g), places.y.from)),
    ...series.flatMap((one, i) =>
      groups.map((_, g) => bar(one, g, { left: left(g, i), width, floor: places.y.from, y: y.at })),
    ),
  ]);
}

interface BarPlace {
  readonly left: number;
  readonly width: number;
  readonly floor: number;
  readonly y: (value: number) => number;
}

function bar(
  { colour, outlined, values, name }: BarSeries,
  group: number,
  place: BarPlace,
): Markup {
  const { left, width, floor, y } = place;
  const value = values[group] ?? null;
  const at = left + width / 2;
  if (value === null) return label({ x: at, y: floor - 4 }, "\u2013", "missing", "middle");
  const top = y(value);
  const figure =
    width < figureWidth
      ? null
      : label({ x: at, y: top - 4 }, numberText(value), "figure", "middle");
  return markup`<rect class="bar ${seriesName(colour)}${outlined ? " outlined" : ""}" x="${px(left + 1)}" y="${px(top)}" width="${px(width - 2)}" height="${px(Math.max(0, floor - top))}"><title>${name}: ${numberText(value)}</title></rect>${figure}`;
}

function groupMarkup({ name, lines }: BarGroup, x: number, floor: number): Markup {
  return markup`<text text-anchor="middle" x="${px(x)}" y="${floor + 17}">${name}</text>${lines.map(
    (text, i) =>
      markup`<text class="tick" text-anchor="middle" x="${px(x)}" y="${floor + 32 + 14 * i}">${text}</text>`,
  )}`;
}

/** Below the title, from left to right. */
function legend(series: readonly BarSeries[]): Markup {
  let x = 0;
  const items = series.map(({ name, colour, outlined }) => {
    const at = x;
    x += textWidth(name) + 34;
    return markup`<rect class="bar ${seriesName(colour)}${outlined ? " outlined" : ""}" x="${px(at + 1)}" y="23" width="10" height="10"/><text x="${px(at + 16)}" y="32">${name}</text>`;
  });
  return markup`<g>${items}</g>`;
}

function descriptionOf(
  title: string,
  groups: readonly BarGroup[],
  series: readonly BarSeries[],
): string {
  const words = groups.map(
    ({ name }, g) =>
      `${name}: ${series.map((one) => `${one.name} ${numberText(one.values[g] ?? null)}`).join(", ")}`,
  );
  return `${title}. ${words.join("; ")}.`;
}
