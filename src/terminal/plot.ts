/** Curves as text: with axes, units, ticks and a legend, in braille dots or in plain characters. */
import { Canvas, type Pen } from "./canvas.ts";
import { linearScale, logScale, type Scale, tickText } from "./scale.ts";
import { type Colour, paint, type TerminalStyle } from "./style.ts";
import { displayWidth, fit } from "./width.ts";

export interface Series {
  readonly name: string;
  /** Joined in this order. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Plot {
  readonly title: string;
  /** With the unit: "time (s)". */
  readonly xLabel: string;
  readonly x: "linear" | "log";
  /** Where y ends; the greatest value if not given. It begins at 0. */
  readonly yMax?: number;
  /** Each point is a measurement and is marked. */
  readonly marked?: boolean;
  readonly series: readonly Series[];
}

/** Of the whole, axes and title with it. */
export interface PlotSize {
  readonly columns: number;
  readonly rows: number;
}

const colours: readonly Colour[] = ["cyan", "yellow", "magenta", "green", "blue", "red"];
const marks = { unicode: ["●", "▲", "■", "◆", "○", "△"], ascii: ["*", "o", "+", "x", "#", "@"] };

/** Series that can be told apart. */
export const seriesMax = colours.length;

export function plotText(plot: Plot, { columns, rows }: PlotSize, style: TerminalStyle): string {
  const points = plot.series.flatMap((series) => series.points);
  const plotRows = Math.max(4, rows - 4);
  const yMax = plot.yMax ?? points.reduce((most, { y }) => Math.max(most, y), 0);
  const y = linearScale(0, yMax, { from: plotRows, to: 0 }, Math.max(2, Math.floor(plotRows / 3)));
  const labelWidth = Math.max(...y.ticks.map((tick) => tickText(tick).length));
  const plotColumns = Math.max(10, columns - labelWidth - 2);
  const x = xScale(plot, plotColumns);
  const canvas = new Canvas(plotColumns, plotRows, pensOf(plot, style));
  plot.series.forEach((series, i) => draw(canvas, i, series, { x, y, marked: plot.marked }));
  const axis = axisCharacters(style);
  const body = canvas.lines(style).map((line, row) => {
    const tick = y.ticks.find((value) => rowOf(y, value, plotRows) === row);
    const label = tick === undefined ? "" : tickText(tick);
    return `${label.padStart(labelWidth)} ${tick === undefined ? axis.side : axis.sideTick}${line}`;
  });
  const indent = " ".repeat(labelWidth + 1);
  return [
    `${indent} ${paint(fit(plot.title, columns - labelWidth - 2), "bold", style)}`,
    ...body,
    ...xAxis(x, plotColumns, axis).map((line) => indent + line),
    `${indent} ${centred(fit(plot.xLabel, plotColumns), plotColumns)}`,
    ...legend(plot, columns, style),
    "",
  ]
    .map((line) => line.trimEnd())
    .join("\n");
}

function xScale({ series, x }: Plot, plotColumns: number): Scale {
  const xs = series.flatMap(({ points }) => points.map((point) => point.x));
  // Not spread into Math.min: there may be more values than a call takes arguments.
  const low = xs.reduce((a, b) => Math.min(a, b), Infinity);
  const high = xs.reduce((a, b) => Math.max(a, b), 0);
  const places = { from: 0, to: plotColumns };
  if (x === "log" && low > 0 && low < Infinity) return logScale(low, high, places);
  return linearScale(0, high, places, Math.max(2, Math.floor(plotColumns / 12)));
}

/** Dots in colours where these tell series apart; characters of their own where not. */
function pensOf({ series, marked }: Plot, style: TerminalStyle): Pen[] {
  const glyphs = style.unicode ? marks.unicode : marks.ascii;
  const dots = style.unicode && (style.colour || series.length === 1 || marked === true);
  return series.map((_, i) => ({
    colour: colours[i % colours.length]!,
    mark: glyphs[i % glyphs.length]!,
    line: dots ? "dots" : marked ? "." : glyphs[i % glyphs.length]!,
  }));
}

function draw(
  canvas: Canvas,
  pen: number,
  { points }: Series,
  { x, y, marked = false }: { x: Scale; y: Scale; marked?: boolean | undefined },
): void {
  const places = points.map((point) => ({ x: x.at(point.x), y: y.at(point.y) }));
  places.forEach((place, i) => canvas.line(places[i - 1] ?? place, place, pen));
  if (marked) for (const place of places) canvas.mark(place, pen);
}

const rowOf = (y: Scale, value: number, rows: number): number =>
  Math.min(rows - 1, Math.max(0, Math.round(y.at(value) - 0.5)));

interface AxisCharacters {
  readonly side: string;
  readonly sideTick: string;
  readonly corner: string;
  readonly bottom: string;
  readonly bottomTick: string;
}

const axisCharacters = ({ unicode }: TerminalStyle): AxisCharacters =>
  unicode
    ? { side: "│", sideTick: "┤", corner: "└", bottom: "─", bottomTick: "┬" }
    : { side: "|", sideTick: "+", corner: "+", bottom: "-", bottomTick: "+" };

/** The line with its ticks, and below it as many of their values as have room. */
function xAxis(x: Scale, columns: number, axis: AxisCharacters): [string, string] {
  const line = Array.from({ length: columns }, () => axis.bottom);
  let labels = "";
  for (const tick of x.ticks) {
    const column = Math.min(columns - 1, Math.round(x.at(tick)));
    line[column] = axis.bottomTick;
    const text = tickText(tick);
    const start = Math.max(
      0,
      Math.min(columns + 1 - text.length, column + 1 - Math.floor(text.length / 2)),
    );
    if (labels === "" || start > labels.length) labels = labels.padEnd(start) + text;
  }
  return [axis.corner + line.join(""), labels];
}

const centred = (text: string, columns: number): string =>
  " ".repeat(Math.max(0, Math.floor((columns - displayWidth(text)) / 2))) + text;

/** Nothing for a single series: the title tells it. */
function legend(plot: Plot, columns: number, style: TerminalStyle): string[] {
  if (plot.series.length < 2) return [];
  const pens = pensOf(plot, style);
  const lines: string[] = [];
  let width = Infinity;
  plot.series.forEach(({ name }, i) => {
    const { line, mark, colour } = pens[i]!;
    const sample = line === "dots" && !plot.marked ? "━━" : mark;
    const shown = fit(name, columns - 6);
    const entry = `${paint(sample, colour, style)} ${shown}`;
    const entryWidth = 3 + displayWidth(sample) + 1 + displayWidth(shown);
    if (width + entryWidth > columns) {
      lines.push(`  ${entry}`);
      width = entryWidth;
    } else {
      lines.push(`${lines.pop()!}   ${entry}`);
      width += entryWidth;
    }
  });
  return lines;
}
