/** `servebench plot`: curves in the terminal. */
import { exitCode } from "../exit-code.ts";
import { UserError } from "../user-error.ts";
import type { Plot } from "../terminal/plot.ts";
import type { ListedRun } from "../bench/results/columns.ts";
import { figureNames, latencyMetrics, latencyNames } from "../bench/results/figures.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { choiceFlag, intFlag, required, switchFlag, textFlag, type FlagValues } from "./flags.ts";
import { recordsFlags, selectionFlags, selectionWords } from "./selection.ts";

const kinds = ["cdf", "throughput", "rate"] as const;

const words = {
  kind: required(
    choiceFlag(
      "cdf: which share of requests is within which latency; throughput: tokens a second over the time of a run; rate: a " +
        "figure over the request rate (or --by concurrency) of several runs.",
      kinds,
    ),
  ),
  run: selectionWords.run,
};

const flags = {
  metric: choiceFlag("cdf: which latency.", latencyMetrics, { default: "ttft" }),
  count: choiceFlag("throughput: what is counted.", ["output", "input", "requests"], {
    default: "output",
  }),
  figure: textFlag(`rate: which figure: ${figureNames}.`, {
    default: "e2e_p50",
    placeholder: "FIGURE",
  }),
  by: choiceFlag("rate: what the runs were varied by.", ["rate", "concurrency"], {
    default: "rate",
  }),
  ...selectionFlags,
  ...recordsFlags,
  width: intFlag("Columns; the terminal's if not given, 80 in files and pipes.", {
    min: 20,
    max: 1000,
  }),
  height: intFlag("Lines.", { default: 20, min: 8, max: 200 }),
  ascii: switchFlag("Plain characters only, for terminals and fonts without braille."),
};
type Values = FlagValues<typeof flags & typeof words>;

export const plot = defineCommand({
  name: "plot",
  summary: "distributions, throughput, rate curves in the terminal",
  description:
    "Draws runs of the store or of files. cdf and throughput need the records of requests; without a RUN they show the " +
    "newest run that has them, rate shows all runs.",
  examples: [
    { line: "servebench plot cdf", says: "time to first token of the newest run" },
    { line: "servebench plot cdf r3 r5 --metric e2e", says: "two runs over one another" },
    {
      line: "servebench plot throughput run.jsonl --records run.records.jsonl",
      says: "a run of files",
    },
    { line: "servebench plot rate sweep.jsonl --figure ttft_p99", says: "the curve of a sweep" },
  ],
  words,
  flags,
  run: runPlot,
});

async function runPlot(values: Values, io: CommandIo): Promise<number> {
  const { RunFinder } = await import("./stored-runs.ts");
  const { plotText } = await import("../terminal/plot.ts");
  const finder = new RunFinder(io, values.records);
  try {
    const drawn =
      values.kind === "rate" ? await rateCurves(values, finder) : await ofRecords(values, finder);
    const columns = values.width ?? io.output.columns ?? 80;
    const style = { ...io.output, columns, unicode: io.output.unicode && !values.ascii };
    io.stdout(plotText(drawn, { columns, rows: values.height }, style));
  } finally {
    finder.close();
  }
  return exitCode.success;
}

type Finder = import("./stored-runs.ts").RunFinder;

/** What is too many to tell apart is refused, not left out. */
async function inColours<T>(series: readonly T[], what: string): Promise<readonly T[]> {
  const { seriesMax } = await import("../terminal/plot.ts");
  if (series.length <= seriesMax) return series;
  throw new UserError(
    `${series.length} ${what} are too many for one plot, which tells ${seriesMax} apart; name some, or choose with --where.`,
  );
}

async function rateCurves(values: Values, finder: Finder): Promise<Plot> {
  const { curveAxes, figureCurves, logRatio } = await import("../bench/results/curves.ts");
  const { parseFigure } = await import("../bench/results/figures.ts");
  const { named } = await import("./named.ts");
  const figure = named("--figure", () => parseFigure(values.figure));
  const series = figureCurves(figure, values.by, finder.select(values));
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x));
  if (new Set(xs).size < 2) {
    throw new UserError(
      `a curve of ${figure.name} needs runs at two values of the ${values.by} at least, and there ` +
        `${xs.length === 0 ? "is none" : "is one"}; sweep makes such runs.`,
    );
  }
  return {
    title: `${figure.label} (${figure.unit})`,
    xLabel: curveAxes[values.by].label,
    x: Math.max(...xs) / Math.min(...xs) > logRatio ? "log" : "linear",
    marked: true,
    series: await inColours(series, "curves"),
  };
}

async function ofRecords(values: Values, finder: Finder): Promise<Plot> {
  const { seriesNames } = await import("../bench/results/curves.ts");
  const runs = await inColours(withRecords(values, finder), "runs");
  const names = seriesNames(runs);
  const drawn = await Promise.all(
    runs.map(async (run, i) => ({ name: names[i]!, points: await pointsOf(values, run, finder) })),
  );
  const series = drawn.filter(({ points }) => points.length > 0);
  if (series.length === 0) {
    const what = values.kind === "cdf" ? "latencies of successful requests" : "times of sending";
    throw new UserError(`${runs.map(({ name }) => name).join(", ")}: the records hold no ${what}.`);
  }
  const lone = series.length === 1 ? ` of ${series[0]!.name}` : "";
  if (values.kind === "cdf") {
    const what = values.metric === "itl" ? "gaps" : "requests";
    return {
      title: `${latencyNames[values.metric]}${lone}: percent of ${what} within`,
      xLabel: `${latencyNames[values.metric]} (ms)`,
      x: "linear",
      yMax: 100,
      series,
    };
  }
  const unit =
    values.count === "requests"
      ? "Requests"
      : `${values.count === "input" ? "Input" : "Output"} tokens`;
  return { title: `${unit} a second${lone}`, xLabel: "time (s)", x: "linear", series };
}

/** Those that have records; if none is named, the newest. */
function withRecords(values: Values, finder: Finder): ListedRun[] {
  const { run: named, where, system, dataset, last } = values;
  const runs = finder.select(values);
  const asked = named.length + where.length > 0 || (system ?? dataset ?? last) !== null;
  const having = runs.filter((run) => run.hasRecords || finder.records(run) !== null);
  if (having.length === 0) {
    throw new UserError(
      runs.length === 0
        ? "no run meets that; servebench results lists them."
        : "no run has records of its requests: bench --records makes them, and --records FILE names those of files.",
    );
  }
  return asked ? having : having.slice(-1);
}

async function pointsOf(values: Values, run: ListedRun, finder: Finder) {
  const { cdfPoints, overTimePoints } = await import("../bench/results/curves.ts");
  const m = finder.records(run);
  if (!m) return [];
  if (values.kind === "cdf") return cdfPoints(values.metric, m);
  const counted = { output: "outputTokens", input: "inputTokens", requests: "requests" } as const;
  return overTimePoints(counted[values.count], m, 60);
}
