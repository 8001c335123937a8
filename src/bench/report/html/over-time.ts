/** What happened when within one run: tokens a second, requests in flight, and each request as a bar. */
import { brought } from "../../analysis/throughput.ts";
import type { Measurements } from "../../measurements.ts";
import { durationOf } from "../../results/figures.ts";
import { numberText } from "../../results/number-text.ts";
import { amounts } from "../../statistics/timeline.ts";
import {
  axes,
  chart,
  line,
  pathOf,
  plotPlaces,
  px,
  type Point,
  seriesName,
  type Size,
} from "./chart.ts";
import { type Markup, markup } from "./markup.ts";
import type { ReportedRun } from "./runs.ts";
import { linearScale, type Scale } from "./scale.ts";
import { valuesOf } from "../../statistics/values.ts";

const size: Size = { width: 900, height: 175 };
const slices = 150;
/** Bars of the timeline that are drawn at most. */
const barsMax = 240;
/** Of a thinned timeline, these slowest are always drawn. */
const slowestShown = 20;

/** Nothing where the records do not say when requests were sent. */
export function overTimeCharts(run: ReportedRun): Markup[] {
  const endS = run.records ? durationOf(run.records) : NaN;
  if (!run.records || !(endS > 0)) return [];
  return [
    throughputChart(run, run.records, endS),
    concurrencyChart(run, run.records, endS),
    timelineChart(run, run.records, endS),
  ];
}

const timeScale = (endS: number): Scale => linearScale(0, endS, plotPlaces(size).x, 8);

function throughputChart(run: ReportedRun, m: Measurements, endS: number): Markup {
  const x = timeScale(endS);
  const widthS = x.high / slices;
  const tokens = amounts(brought.outputTokens(m, m.indices("ok")), 0, x.high, slices);
  const rates = Array.from(tokens, (count) => count / widthS).slice(0, Math.ceil(endS / widthS));
  const top = rates.reduce((a, b) => Math.max(a, b), 0);
  const y = linearScale(0, top, plotPlaces(size).y, 4);
  const steps = rates.flatMap((rate, i) =>
    [i, i + 1].map((edge): Point => ({ x: x.at(edge * widthS), y: y.at(rate) })),
  );
  const about = {
    title: "Output tokens a second",
    description: `Output tokens a second over ${numberText(endS)} s of ${run.name}, in slices of ${numberText(widthS)} s; at most ${numberText(top)}.`,
  };
  const name = seriesName(run.colour!);
  const floor = y.at(0);
  const area = [{ x: x.at(0), y: floor }, ...steps, { x: steps.at(-1)?.x ?? x.at(0), y: floor }];
  return chart(size, about, [
    axes({ x, y, xUnit: "s" }, size),
    markup`<path class="area ${name}" d="${pathOf(area)}"/>`,
    line(steps, name),
  ]);
}

function concurrencyChart(run: ReportedRun, m: Measurements, endS: number): Markup {
  const x = timeScale(endS);
  const columns = inFlight(m, x);
  const most = columns.reduce((top, { high }) => Math.max(top, high), 0);
  const y = linearScale(0, most, plotPlaces(size).y, 4);
  const about = {
    title: "Requests in flight",
    description: `Requests in flight over ${numberText(endS)} s of ${run.name}; at most ${most}.`,
  };
  return chart(size, about, [
    axes({ x, y, xUnit: "s" }, size),
    line(stepPath(columns, x, y), seriesName(run.colour!)),
  ]);
}

/** How many requests were in flight while time was in one column of pixels. */
interface Column {
  readonly x: number;
  low: number;
  high: number;
  last: number;
}

/** Those columns in which a request began or ended. */
function inFlight(m: Measurements, x: Scale): Column[] {
  const { sentS, endedS } = m.columns;
  const all = m.indices();
  const begins = valuesOf(all, (i) => sentS[i]!).sort();
  const ends = valuesOf(all, (i) => sentS[i]! + endedS[i]!).sort();
  const columns: Column[] = [];
  let count = 0;
  for (let begun = 0, ended = 0; ended < ends.length;) {
    const isBegin = begun < begins.length && begins[begun]! <= ends[ended]!;
    const at = Math.round(x.at(isBegin ? begins[begun++]! : ends[ended++]!));
    if (columns.at(-1)?.x !== at) columns.push({ x: at, low: count, high: count, last: count });
    count += isBegin ? 1 : -1;
    const column = columns.at(-1)!;
    column.low = Math.min(column.low, count);
    column.high = Math.max(column.high, count);
    column.last = count;
  }
  return columns;
}

/** In each column no more than the last value and the extremes. */
function stepPath(columns: readonly Column[], x: Scale, y: Scale): Point[] {
  const points: Point[] = [{ x: x.at(0), y: y.at(0) }];
  let before = 0;
  for (const { x: at, low, high, last } of columns) {
    const heights = [before, high, low, last].filter((v, k, all) => k === 0 || v !== all[k - 1]);
    points.push(...heights.map((value) => ({ x: at, y: y.at(value) })));
    before = last;
  }
  return points;
}

function timelineChart(run: ReportedRun, m: Measurements, endS: number): Markup {
  const shown = thinned(m);
  const rowHeight = Math.max(1, Math.min(7, 260 / shown.length));
  const plotHeight = Math.max(60, rowHeight * shown.length);
  const tall = { width: size.width, height: Math.ceil(plotHeight) + 54 };
  const x = timeScale(endS);
  const y = linearScale(0, 1, plotPlaces(tall).y);
  const failed = m.indices("failed", "incomplete").length;
  const all = shown.length === m.ended;
  const about = {
    title: `${all ? "Each request" : `${shown.length} of ${m.ended} requests`}: waiting for the first token, then streaming`,
    description: `Requests of ${run.name} in order of sending as bars from send to end; ${failed} failed.${
      all ? "" : ` Thinned evenly; the ${slowestShown} slowest and failed ones are kept.`
    }`,
  };
  const { sentS, ttftS, latencyS } = m.columns;
  const top = 29;
  const rows = Array.from(shown, (i, row) => {
    const begin = px(x.at(sentS[i]!));
    const first = px(x.at(sentS[i]! + (ttftS[i]! || latencyS[i]!)));
    const end = px(x.at(sentS[i]! + latencyS[i]!));
    return { isGood: isWhole(m, i), y: px(top + (row + 0.5) * rowHeight), begin, first, end };
  });
  const bars = (isGood: boolean, from: "begin" | "first", to: "first" | "end"): string =>
    rows
      .filter((row) => row.isGood === isGood)
      .map((row) => `M${row[from]} ${row.y}H${Math.max(row[to], px(row[from] + 0.6))}`)
      .join("");
  const name = seriesName(run.colour!);
  const stroke = px(rowHeight * 0.8);
  return chart(tall, about, [
    axes({ x, y: { ...y, ticks: [] }, xUnit: "s" }, tall),
    markup`<g class="bars" stroke-width="${stroke}"><path class="wait ${name}" d="${bars(true, "begin", "first")}"/><path class="stream ${name}" d="${bars(true, "first", "end")}"/><path class="failed" d="${bars(false, "begin", "end")}"/></g>`,
    legend(tall, name, failed > 0),
  ]);
}

/** A short one too: it has a first token and an end. */
const isWhole = (m: Measurements, index: number): boolean =>
  ["ok", "short output"].includes(m.outcome(index));

/** The shades of the bars, at the right end of the title's line. */
function legend({ width }: Size, name: string, failures: boolean): Markup {
  const items = [
    { text: "waiting", style: `wait ${name}`, x: width - 230 },
    { text: "streaming", style: `stream ${name}`, x: width - 155 },
    ...(failures ? [{ text: "failed", style: "failed", x: width - 70 }] : []),
  ];
  return markup`<g class="bars" stroke-width="8">${items.map(
    ({ text, style, x }) =>
      markup`<path class="${style}" d="M${x} 8h14"/><text class="tick" x="${x + 18}" y="12">${text}</text>`,
  )}</g>`;
}

/** Indices of every so manieth request, and always the failed (as long as there is room) and the slowest. */
export function thinned(m: Measurements): Int32Array {
  const all = m.indices();
  if (all.length <= barsMax) return all;
  const { latencyS } = m.columns;
  const slowest = all.toSorted((a, b) => latencyS[b]! - latencyS[a]!).subarray(0, slowestShown);
  const failed = m.indices("failed", "incomplete");
  const kept = new Set([...slowest, ...evenly(failed, barsMax / 4)]);
  for (const index of evenly(all, barsMax - kept.size)) kept.add(index);
  return all.filter((index) => kept.has(index));
}

function evenly(items: Int32Array, count: number): Int32Array {
  if (items.length <= count) return items;
  return Int32Array.from(
    { length: count },
    (_, i) => items[Math.floor((i * items.length) / count)]!,
  );
}
