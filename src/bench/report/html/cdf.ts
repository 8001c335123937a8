/** Cumulative distributions of a latency, one line a run. */
import { latencySamples } from "../../analysis/latencies.ts";
import { type LatencyMetric, latencyNames } from "../../results/figures.ts";
import { percentileOfSorted } from "../../statistics.ts";
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
  /** Of values. */
  readonly count: number;
  /** Milliseconds. */
  percentile(percent: number): number;
}

/** null when no run has such latencies. */
export function cdfChart(metric: LatencyMetric, runs: readonly ReportedRun[]): Markup | null {
  const found = runs
    .flatMap((run) => distributionOf(metric, run) ?? [])
    .filter(({ count }) => count >= 2);
  if (found.length === 0) return null;
  const places = plotPlaces(size);
  const low = Math.min(...found.map((distribution) => distribution.percentile(0.5)));
  const high = Math.max(...found.map((distribution) => distribution.percentile(100)));
  const x =
    low > 0 && high / low > logRatio
      ? logScale(low, high, places.x)
      : linearScale(0, high, places.x);
  const y = linearScale(0, 100, places.y);
  const title = `${latencyNames[metric]}: share of ${metric === "itl" ? "gaps" : "requests"} within`;
  return chart(size, { title, description: descriptionOf(metric, found) }, [
    axes({ x, y, xUnit: "ms", yUnit: "%" }, size),
    ...found.map((distribution) =>
      line(curve(distribution, x, y), seriesName(distribution.run.colour!)),
    ),
    ...(found.length === 1
      ? percentileLabels(found[0]!, x, y)
      : found.map((distribution, i) => runLabel(distribution, (i + 1) / (found.length + 1), x, y))),
  ]);
}

/** null: no records. */
function distributionOf(metric: LatencyMetric, run: ReportedRun): Distribution | null {
  const m = run.records;
  if (!m) return null;
  const { histogram } = m;
  if (metric === "itl" && histogram) {
    const percentile = (percent: number): number =>
      1000 * (percent < 100 ? histogram.percentile(percent) : histogram.max);
    return { run, count: histogram.count, percentile };
  }
  const sorted = latencySamples[metric](m, m.indices("ok")).values.sort();
  const percentile = (percent: number): number => 1000 * percentileOfSorted(sorted, percent);
  return { run, count: sorted.length, percentile };
}

function descriptionOf(metric: LatencyMetric, found: readonly Distribution[]): string {
  const runs = found.map((distribution) => {
    const [p50, p99] = [50, 99].map((percent) => latencyText(distribution.percentile(percent)));
    return `${distribution.run.name}: median ${p50}, 99th percentile ${p99}`;
  });
  return `Cumulative distribution of ${latencyNames[metric]}. ${runs.join("; ")}.`;
}

/** Dense where the last percents are: there the question is. */
function curve(distribution: Distribution, x: Scale, y: Scale) {
  const count = Math.min(pointsMax, distribution.count);
  const shares = Array.from({ length: count }, (_, i) => 1 - (1 - i / (count - 1)) ** 1.5);
  return shares.map((share) => ({
    x: x.at(distribution.percentile(100 * share)),
    y: y.at(100 * share),
  }));
}

/** One run needs no name; its percentiles are told instead. */
function percentileLabels(distribution: Distribution, x: Scale, y: Scale): Markup[] {
  const name = seriesName(distribution.run.colour!);
  return [50, 99].map((percent) => {
    const ms = distribution.percentile(percent);
    const text = `p${percent} ${latencyText(ms)}`;
    const place = { x: x.at(ms), y: y.at(percent) };
    const fits = place.x + 8 + textWidth(text) < size.width;
    const dy = percent === 50 ? 4 : fits ? 14 : 22;
    return markup`<circle class="dot ${name}" cx="${px(place.x)}" cy="${px(place.y)}" r="3"/>${label(
      { x: place.x + (fits ? 8 : -8), y: place.y + dy },
      text,
      "",
      fits ? "start" : "end",
    )}`;
  });
}

/** Each run at a height of its own, so that names do not meet. */
function runLabel(distribution: Distribution, share: number, x: Scale, y: Scale): Markup {
  const { run } = distribution;
  const place = { x: x.at(distribution.percentile(100 * share)), y: y.at(100 * share) };
  const fits = place.x + 6 + textWidth(run.name) < size.width;
  const beside = { x: place.x + (fits ? 6 : -6), y: place.y + 4 };
  return label(beside, run.name, seriesName(run.colour!), fits ? "start" : "end");
}
