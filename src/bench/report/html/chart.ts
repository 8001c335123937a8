/** The parts that all charts share: frame, axes, lines, labels beside what they name. */
import { type Markup, markup } from "./markup.ts";
import { type Scale, tickText } from "./scale.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Room around the plot for axes and labels, in pixels. */
export interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Axes {
  readonly x: Scale;
  readonly y: Scale;
  /** Written at the last tick: "ms". */
  readonly xUnit?: string;
  readonly yUnit?: string;
  /** Written below the ticks, where a unit does not say what is shown. */
  readonly xLabel?: string;
}

export const margins: Margins = { left: 48, right: 22, top: 28, bottom: 24 };

/** The plot's rectangle within a chart. */
export function plotPlaces(
  { width, height }: Size,
  { left, right, top, bottom }: Margins = margins,
) {
  return {
    x: { from: left, to: width - right },
    y: { from: height - bottom, to: top },
  };
}

let charts = 0;

/** Beside its title a chart says in words what it shows, for those who do not see it. */
export function chart(
  { width, height }: Size,
  about: { readonly title: string; readonly description: string },
  content: readonly Markup[],
): Markup {
  const id = `chart${++charts}`;
  return markup`<svg class="chart" role="img" aria-labelledby="${id}t ${id}d" viewBox="0 0 ${width} ${height}">
<title id="${id}t">${about.title}</title><desc id="${id}d">${about.description}</desc>
<text class="charttitle" x="0" y="12">${about.title}</text>
${content}</svg>`;
}

/** Ids of charts count from one on each page. */
export function resetChartIds(): void {
  charts = 0;
}

/** Horizontal grid lines and ticks. */
export function axes(
  { x, y, xUnit = "", yUnit = "", xLabel }: Axes,
  size: Size,
  around: Margins = margins,
): Markup {
  const { x: horizontal, y: vertical } = plotPlaces(size, around);
  const bottom = vertical.from;
  return markup`<g class="axes">
${y.ticks.map((tick, i) => {
  const at = px(y.at(tick));
  return markup`<line x1="${horizontal.from}" x2="${horizontal.to}" y1="${at}" y2="${at}"/><text class="tick" text-anchor="end" x="${horizontal.from - 6}" y="${at + 3.5}">${tickWithUnit(y.ticks, i, yUnit)}</text>`;
})}
${x.ticks.map((tick, i) => {
  const at = px(x.at(tick));
  return markup`<line class="mark" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}"/><text class="tick" text-anchor="middle" x="${at}" y="${bottom + 16}">${tickWithUnit(x.ticks, i, xUnit)}</text>`;
})}
${xLabel === undefined ? null : markup`<text class="axis" text-anchor="end" x="${horizontal.to}" y="${bottom + 32}">${xLabel}</text>`}
</g>`;
}

function tickWithUnit(ticks: readonly number[], i: number, unit: string): string {
  return tickText(ticks[i]!) + (i === ticks.length - 1 && unit !== "" ? ` ${unit}` : "");
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A line through places in pixels. */
export function line(points: readonly Point[], name: string): Markup {
  return points.length === 0
    ? markup``
    : markup`<path class="line ${name}" d="${pathOf(points)}"/>`;
}

export const pathOf = (points: readonly Point[]): string =>
  points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${px(x)} ${px(y)}`).join("");

/** Text beside a line, with a rim of the paper's colour so that it can be read across others. */
export function label(
  { x, y }: Point,
  text: string,
  name: string,
  anchor: "start" | "middle" | "end" = "start",
): Markup {
  return markup`<text class="label ${name}" text-anchor="${anchor}" x="${px(x)}" y="${px(y)}">${text}</text>`;
}

/** Moves labels apart that would lie over each other, in as small steps as that takes; keeps their order. */
export function spreadLabels(heights: readonly number[], gap: number, lowest: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a]! - heights[b]!);
  const placed = [...heights];
  let before = -Infinity;
  for (const i of order) {
    placed[i] = Math.max(placed[i]!, before + gap);
    before = placed[i]!;
  }
  let below = lowest + gap;
  for (const i of order.toReversed()) {
    placed[i] = Math.min(placed[i]!, below - gap);
    below = placed[i]!;
  }
  return placed;
}

/** The width of a text in a label's type, about. */
export const textWidth = (text: string): number => text.length * 6.1;

/** A tenth of a pixel is fine enough. */
export const px = (value: number): number => Math.round(value * 10) / 10;

/** Class names of the series' colours, in turn. */
export const seriesName = (index: number): string => `s${(index % 6) + 1}`;
