/** Cumulative distributions of a latency, one line a run. */
import { latenciesMs, type LatencyMetric, latencyNames } from "../../results/figures.ts";
import { succeeded } from "../../results/records.ts";
import { percentile } from "../../statistics.ts";
import {
  axes,
  chart,
  label,
  line,
  plotPlaces,
  px,
  seriesName,
  type Size,
  textWidth,
} from "./chart.ts";
import { type Markup, markup } from "./markup.ts";
import type { ReportedRun } from "./runs.ts";
import { latencyText, linearScale, logScale, type Scale } from "./scale.ts";

const size: Size = { width: 440, height: 280 };
/** A line of so many points cannot be told from one of all. */
const pointsMax = 240;
/** Beyond this ratio of the largest to the smallest value, the axis is logarithmic. */
const logRatio = 30;

interface Distribution {
  readonly run: ReportedRun;
  /** Ascending. */
  readonly valuesMs: Float64Array;
}

/** null when no run has such latencies. */
export function cdfChart(metric: LatencyMetric, runs: readonly ReportedRun[]): Markup | null {
  const found = runs.flatMap((run): Distribution[] => {
    const done = succeeded(run.records ?? []);
    const values = done.flatMap((record) => latenciesMs(metric, record)).filter((ms) => ms >= 0);
    return values.length < 2 ? [] : [{ run, valuesMs: Float64Array.from(values).sort() }];
  });
  if (found.length === 0) return null;
  const places = plotPlaces(size);
  const low = Math.min(...found.map(({ valuesMs }) => percentile(valuesMs, 0.5)));
  const high = Math.max(...found.map(({ valuesMs }) => valuesMs.at(-1)!));
  const x =
    low > 0 && high / low > logRatio
      ? logScale(low, high, places.x)
      : linearScale(0, high, places.x);
  const y = linearScale(0, 100, places.y);
  const title = `${latencyNames[metric]}: share of ${metric === "itl" ? "gaps" : "requests"} within`;
  return chart(size, { title, description: descriptionOf(metric, found) }, [
    axes({ x, y, xUnit: "ms", yUnit: "%" }, size),
    ...found.map(({ run, valuesMs }) => line(curve(valuesMs, x, y), seriesName(run.colour!))),
    ...(found.length === 1
      ? percentileLabels(found[0]!, x, y)
      : found.map((distribution, i) => runLabel(distribution, (i + 1) / (found.length + 1), x, y))),
  ]);
}

function descriptionOf(metric: LatencyMetric, found: readonly Distribution[]): string {
  const runs = found.map(({ run, valuesMs }) => {
    const [p50, p99] = [50, 99].map((percent) => latencyText(percentile(valuesMs, percent)));
    return `${run.name}: median ${p50}, 99th percentile ${p99}`;
  });
  return `Cumulative distribution of ${latencyNames[metric]}. ${runs.join("; ")}.`;
}

/** Dense where the last percents are: there the question is. */
function curve(valuesMs: Float64Array, x: Scale, y: Scale) {
  const count = Math.min(pointsMax, valuesMs.length);
  const shares = Array.from({ length: count }, (_, i) => 1 - (1 - i / (count - 1 || 1)) ** 1.5);
  return shares.map((share) => {
    const ms = valuesMs[Math.min(valuesMs.length - 1, Math.floor(share * valuesMs.length))]!;
    return { x: x.at(ms), y: y.at(100 * share) };
  });
}

/** One run needs no name; its percentiles are told instead. */
function percentileLabels({ run, valuesMs }: Distribution, x: Scale, y: Scale): Markup[] {
  return [50, 99].map((percent) => {
    const ms = percentile(valuesMs, percent);
    const text = `p${percent} ${latencyText(ms)}`;
    const place = { x: x.at(ms), y: y.at(percent) };
    const fits = place.x + 8 + textWidth(text) < size.width;
    const dy = percent === 50 ? 4 : fits ? 14 : 22;
    return markup`<circle class="dot ${seriesName(run.colour!)}" cx="${px(place.x)}" cy="${px(place.y)}" r="3"/>${label(
      { x: place.x + (fits ? 8 : -8), y: place.y + dy },
      text,
      "",
      fits ? "start" : "end",
    )}`;
  });
}

/** Each run at a height of its own, so that names do not meet. */
function runLabel({ run, valuesMs }: Distribution, share: number, x: Scale, y: Scale): Markup {
  const place = { x: x.at(percentile(valuesMs, 100 * share)), y: y.at(100 * share) };
  const fits = place.x + 6 + textWidth(run.name) < size.width;
  const beside = { x: place.x + (fits ? 6 : -6), y: place.y + 4 };
  return label(beside, run.name, seriesName(run.colour!), fits ? "start" : "end");
}
