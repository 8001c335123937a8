/** What a sweep tells its user: the plan, each run in a line, the table or the answer. */
import type { LatencyName } from "../analysis/latencies.ts";
import { columns } from "../report/columns.ts";
import { commandLine } from "../command-line.ts";
import { serverText } from "../loaded-server.ts";
import { figureOfLine, parseFigure } from "../results/figures.ts";
import { readLedger } from "../results/ledger.ts";
import { failuresOf } from "../results/lines.ts";
import { numberText } from "../results/number-text.ts";
import type { BenchRun } from "../run.ts";
import type { Goal } from "./goals.ts";
import type { Found, Tried } from "./search.ts";
import type { SweepPlan, SweepRun } from "./sweep.ts";

export function planText({ servers, cells, outputFile, search }: SweepPlan): string {
  const runs = cells.flatMap((cell) => cell.runs);
  const byServer = servers.flatMap((server) => {
    const { done } = readLedger(outputFile, serverText(server), runs);
    return [
      `Server:  ${serverText(server)}`,
      ...runs.map((run) => `${run.name}${done.has(run) ? ", done" : ""}:\n  ${run.command}`),
    ];
  });
  const goals = search?.goals.map(({ text }) => text).join(", ");
  return [
    ...byServer,
    ...(search
      ? [
          `Search:  the greatest ${search.axis} from ${search.bounds.least} to ${search.bounds.greatest} that meets ${goals}` +
            (cells.length > 1 ? `, for each of ${cells.map(({ name }) => name).join("; ")}` : ""),
          `First:\n  ${cells[0]!.at(search.bounds.start, 0).command}`,
        ]
      : []),
    `Results: ${outputFile}`,
    "",
  ].join("\n");
}

/** What counts of a run, as the table has it. */
export function figuresText({ analysis }: BenchRun): string {
  const { outcomes, throughput, latencies } = analysis;
  const ms = (name: LatencyName, percent: 50 | 99): string => {
    const seconds = latencies[name]?.distribution.percentiles[percent] ?? null;
    return numberText(seconds === null ? null : 1000 * seconds);
  };
  return (
    `${outcomes.ok} requests, ${numberText(throughput.outputTokens.perS)} tok/s; TTFT p50 ${ms("ttft", 50)}, ` +
    `p99 ${ms("ttft", 99)} ms; ITL p50 ${ms("itl", 50)} ms; E2E p50 ${ms("e2e", 50)} ms\n`
  );
}

const tableFigures = [
  ["req/s", "request_throughput"],
  ["out tok/s", "output_throughput"],
  ["TTFT p50", "ttft_p50"],
  ["TTFT p99", "ttft_p99"],
  ["TPOT p50", "tpot_p50"],
  ["ITL p99", "itl_p99"],
  ["E2E p50", "e2e_p50"],
].map(([head, name]) => ({ head: head!, figure: parseFigure(name!) }));

/** One row a run, also of those that were done before; latencies in milliseconds. */
export function sweepTable({ servers, cells, outputFile }: SweepPlan): string {
  const runs = cells.flatMap((cell) => cell.runs);
  const head = ["run", ...tableFigures.map((column) => column.head), "failed"];
  const tables = servers.map((server) => {
    const { done } = readLedger(outputFile, serverText(server), runs);
    const row = (run: SweepRun): string[] => {
      const line = done.get(run);
      if (!line) return [run.name, "not run", ...tableFigures.map(() => "")];
      const figures = tableFigures.map(({ figure }) => numberText(figureOfLine(figure, line)));
      return [run.name, ...figures, String(failuresOf(line)?.failed ?? "-")];
    };
    const heading = servers.length > 1 ? `${serverText(server)}\n` : "";
    return `\n${heading}${columns(head, runs.map(row))}`;
  });
  return tables.join("");
}

export function reportCommand({ outputFile, cells }: SweepPlan): string {
  const records = cells[0]?.runs[0]?.options.recordsFile ?? cells[0]?.at(1, 0).options.recordsFile;
  const words = [outputFile, ...(records == null ? [] : ["--records", records])];
  const page = outputFile.replace(/(\.jsonl)?$/, ".html");
  return `\nThe page: ${commandLine("report", [...words, "-o", page])}\n`;
}

/** The answer, how sure it is, and what it took. */
export function foundText(
  { best, above, tried, runs }: Found,
  { axis, goals }: NonNullable<SweepPlan["search"]>,
  requests: number,
): string {
  const asked = goals.map(({ text }) => text).join(" and ");
  const unit = axis === "rate" ? " req/s" : "";
  const cost = `The search took ${runs} runs and ${requests} requests.\n`;
  const rows = tried.toSorted((a, b) => a.value - b.value).map((one) => triedRow(one, goals));
  const table = columns(
    [axis, "runs", ...goals.map(({ figure }) => `${figure.name} (${figure.unit})`), "meets"],
    rows,
  );
  if (!best) {
    const least = tried.reduce((a, b) => (a.value < b.value ? a : b));
    return `${table}\nNo ${axis} meets ${asked}, not even ${least.value}${unit}.\n${cost}`;
  }
  const confidence = best.judgement.sure
    ? "Its 95 % intervals are within the goals."
    : "That is the estimate; its 95 % intervals reach beyond the goals, or it had too few requests for one.";
  const next = above
    ? `The next above that was tried, ${above.value}${unit}, does not${above.judgement.sure ? "" : " (by its estimate)"}.`
    : `It is the greatest that was allowed (--search-max).`;
  return `${table}\nThe greatest ${axis} that meets ${asked}: ${best.value}${unit}\n${confidence} ${next}\n${cost}`;
}

function triedRow({ value, runs, judgement }: Tried, goals: readonly Goal[]): string[] {
  const cells = goals.map((_, i) => {
    const found = judgement.estimates[i];
    if (!found) return "-";
    const { interval } = found;
    const range = interval ? ` [${numberText(interval.low)}, ${numberText(interval.high)}]` : "";
    return `${numberText(found.value)}${range}`;
  });
  const verdict = judgement.met ? "yes" : "no";
  return [String(value), String(runs), ...cells, judgement.sure ? verdict : `${verdict}?`];
}
