/** What happened when within one run: tokens a second, requests in flight, and each request as a bar. */
import { concurrencyOf, eventsOf, spanOf } from "../../results/events.ts";
import { hasTimes, type RecordedRun, type SavedRecord } from "../../results/records.ts";
import { numberText } from "../../results/number-text.ts";
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

const size: Size = { width: 900, height: 175 };
const slices = 150;
/** Bars of the timeline that are drawn at most. */
const barsMax = 240;
/** Of a thinned timeline, these slowest are always drawn. */
const slowestShown = 20;

/** Nothing where the records do not say when requests were sent. */
export function overTimeCharts(run: ReportedRun): Markup[] {
  if (!run.records || !hasTimes(run.records)) return [];
  const { endS } = spanOf(run.records);
  if (!(endS > 0)) return [];
  return [
    throughputChart(run, run.records, endS),
    concurrencyChart(run, run.records, endS),
    timelineChart(run, run.records, endS),
  ];
}

const timeScale = (endS: number): Scale => linearScale(0, endS, plotPlaces(size).x, 8);

function throughputChart(run: ReportedRun, records: RecordedRun, endS: number): Markup {
  const x = timeScale(endS);
  const widthS = x.high / slices;
  const tokens = new Float64Array(slices);
  eventsOf(records, "output", (timeS, amount) => {
    tokens[Math.min(slices - 1, Math.max(0, Math.floor(timeS / widthS)))]! += amount;
  });
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

function concurrencyChart(run: ReportedRun, records: RecordedRun, endS: number): Markup {
  const x = timeScale(endS);
  const changes = concurrencyOf(records);
  const most = changes.reduce((top, { count }) => Math.max(top, count), 0);
  const y = linearScale(0, most, plotPlaces(size).y, 4);
  const about = {
    title: "Requests in flight",
    description: `Requests in flight over ${numberText(endS)} s of ${run.name}; at most ${most}.`,
  };
  return chart(size, about, [
    axes({ x, y, xUnit: "s" }, size),
    line(stepPath(changes, x, y), seriesName(run.colour!)),
  ]);
}

/** In each column of pixels no more than the last value and the extremes. */
function stepPath(
  changes: readonly { timeS: number; count: number }[],
  x: Scale,
  y: Scale,
): Point[] {
  const points: Point[] = [{ x: x.at(0), y: y.at(0) }];
  let before = 0;
  for (let i = 0; i < changes.length;) {
    const column = Math.round(x.at(changes[i]!.timeS));
    let [low, high, last] = [before, before, before];
    do {
      last = changes[i]!.count;
      low = Math.min(low, last);
      high = Math.max(high, last);
      i++;
    } while (i < changes.length && Math.round(x.at(changes[i]!.timeS)) === column);
    const heights = [before, high, low, last].filter((v, k, all) => k === 0 || v !== all[k - 1]);
    points.push(...heights.map((value) => ({ x: column, y: y.at(value) })));
    before = last;
  }
  return points;
}

function timelineChart(run: ReportedRun, records: RecordedRun, endS: number): Markup {
  const shown = thinned(records);
  const rowHeight = Math.max(1, Math.min(7, 260 / shown.length));
  const plotHeight = Math.max(60, rowHeight * shown.length);
  const tall = { width: size.width, height: Math.ceil(plotHeight) + 54 };
  const x = timeScale(endS);
  const y = linearScale(0, 1, plotPlaces(tall).y);
  const top = 29;
  const failed = records.filter(({ failure }) => failure !== null).length;
  const title =
    shown.length === records.length
      ? "Each request: waiting for the first token, then streaming"
      : `${shown.length} of ${records.length} requests: waiting for the first token, then streaming`;
  const about = {
    title,
    description: `Requests of ${run.name} in order of sending as bars from send to end; ${failed} failed.${
      shown.length === records.length
        ? ""
        : ` Thinned evenly; the ${slowestShown} slowest and failed ones are kept.`
    }`,
  };
  const bars = (
    of: readonly SavedRecord[],
    from: (r: SavedRecord) => number,
    to: (r: SavedRecord) => number,
  ) =>
    of
      .map((record) => {
        const row = top + (rows.get(record)! + 0.5) * rowHeight;
        const [start, end] = [x.at(from(record)), x.at(to(record))];
        return `M${px(start)} ${px(row)}H${px(Math.max(end, start + 0.6))}`;
      })
      .join("");
  const rows = new Map(shown.map((record, i) => [record, i]));
  const good = shown.filter(({ failure }) => failure === null);
  const bad = shown.filter(({ failure }) => failure !== null);
  const name = seriesName(run.colour!);
  const stroke = px(rowHeight * 0.8);
  return chart(tall, about, [
    axes({ x, y: { ...y, ticks: [] }, xUnit: "s" }, tall),
    markup`<g class="bars" stroke-width="${stroke}"><path class="wait ${name}" d="${bars(good, ({ sentS }) => sentS, firstTokenS)}"/><path class="stream ${name}" d="${bars(good, firstTokenS, endOf)}"/><path class="failed" d="${bars(bad, ({ sentS }) => sentS, endOf)}"/></g>`,
    legend(tall, name, failed > 0),
  ]);
}

const endOf = ({ sentS, latencyS }: SavedRecord): number => sentS + Math.max(0, latencyS || 0);
const firstTokenS = (record: SavedRecord): number =>
  record.sentS + (record.ttftS || record.latencyS || 0);

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

/** Every so manieth request, and always the failed (as long as there is room) and the slowest. */
export function thinned(records: RecordedRun): RecordedRun {
  if (records.length <= barsMax) return records;
  const slowest = records.toSorted((a, b) => b.latencyS - a.latencyS).slice(0, slowestShown);
  const failed = records.filter(({ failure }) => failure !== null);
  const kept = new Set([...slowest, ...evenly(failed, barsMax / 4)]);
  for (const record of evenly(records, barsMax - kept.size)) kept.add(record);
  return records.filter((record) => kept.has(record));
}

function evenly<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}
