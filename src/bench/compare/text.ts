/** A comparison as text and as data. */
import { columns } from "../report/columns.ts";
import { configurationText, type RunGroup } from "../results/configuration.ts";
import { numberText } from "../results/number-text.ts";
import type { Comparison, Difference, Pair, Verdict } from "./compare.ts";
import type { GateResult } from "./gate.ts";

export function comparisonText(comparison: Comparison, gates: readonly GateResult[]): string {
  const { pairs, onlyA, onlyB } = comparison;
  return [
    ...pairs.map((pair) =>
      pairText(
        pair,
        gates.filter((result) => result.pair === pair),
      ),
    ),
    ...[onlyA, onlyB].flatMap((groups, i) =>
      groups.map(
        (group) =>
          `Only in ${"AB"[i]}: ${configurationText(group.configuration)} (${where(group)})\n`,
      ),
    ),
    ...(pairs.length === 0 ? ["No run of A was asked for what one of B was.\n"] : []),
  ].join("\n");
}

const where = ({ runs }: RunGroup): string => {
  if (runs[0]!.line === null) return runs.map(({ file }) => file).join(", ");
  const lines = runs.map(({ line }) => line).join(", ");
  return `${runs[0]!.file}, line${runs.length > 1 ? "s" : ""} ${lines}`;
};

const verdictWords: Readonly<Record<Verdict, string>> = {
  better: "better",
  worse: "WORSE",
  same: "no difference shown",
  unknown: "",
};

function pairText(pair: Pair, gates: readonly GateResult[]): string {
  const rows = pair.differences.map((difference) => [
    `${difference.figure.label} (${difference.figure.unit})`,
    numberText(difference.a),
    numberText(difference.b),
    changeText(difference),
    intervalText(difference),
    verdictWords[difference.verdict],
  ]);
  const head = ["", "A", "B", "change", "95 % interval", ""];
  return [
    `A: ${configurationText(pair.a.configuration)}  (${where(pair.a)})`,
    `B: ${configurationText(pair.b.configuration)}  (${where(pair.b)})`,
    ...pair.mismatches.map(
      ({ part, a, b }) => `Not the same ${part}: ${a ?? "not said"} in A, ${b ?? "not said"} in B.`,
    ),
    ...pair.warnings,
    "",
    columns(head, rows) + methodText(pair),
    ...gates.map(
      ({ gate, failed, reason }) =>
        `Gate ${gate.text}: ${failed ? "FAILED" : "passed"}; ${reason}.`,
    ),
    ...(gates.length > 0 ? [""] : []),
  ].join("\n");
}

/** How the intervals were found, and why some are missing. */
function methodText({ differences }: Pair): string {
  const having = differences.filter(({ interval }) => interval !== null);
  const lacking = differences.filter(({ interval }) => interval === null);
  if (differences.length === 0) return "The two have no figure in common.\n";
  if (having.length === 0) {
    return (
      `Nothing can be said about significance: ${lacking[0]!.method}.\n` +
      "Give the records of both (--records FILE) or several runs of each.\n"
    );
  }
  const chance = (having.length / 20).toFixed(1);
  const reasons = [...new Set(lacking.map(({ figure, method }) => `${figure.name}: ${method}`))];
  return [
    `Intervals: ${[...new Set(having.map(({ method }) => method))].join("; ")}. Of ${having.length} figures, chance alone ` +
      `puts ${chance} outside on average.`,
    ...(reasons.length > 0 ? [`No interval for ${reasons.join("; ")}.`] : []),
    "",
  ].join("\n");
}

/** In percent of A; failed requests in points. */
function changeText({ figure, a, change }: Difference): string {
  if (figure.kind === "errors") return `${signed(change)} points`;
  return a === 0 ? "" : `${signed((100 * change) / a)} %`;
}

function intervalText({ figure, a, interval }: Difference): string {
  if (!interval) return "";
  const scale = figure.kind === "errors" ? 1 : 100 / a;
  if (!Number.isFinite(scale)) return "";
  return `[${signed(interval.low * scale)}, ${signed(interval.high * scale)}]`;
}

const signed = (value: number): string =>
  `${value >= 0 ? "+" : ""}${value.toFixed(Math.abs(value) < 10 ? 2 : 1)}`;

/** The same as plain data, for programs. */
export function comparisonJson(comparison: Comparison, gates: readonly GateResult[]): unknown {
  return {
    confidence: 0.95,
    pairs: comparison.pairs.map((pair) => ({
      a: groupJson(pair.a),
      b: groupJson(pair.b),
      mismatches: pair.mismatches,
      warnings: pair.warnings,
      figures: pair.differences.map(({ figure, a, b, change, interval, p, verdict, method }) => ({
        name: figure.name,
        unit: figure.unit,
        better: figure.better,
        a,
        b,
        change,
        change_percent: a === 0 ? null : (100 * change) / a,
        interval: interval && [interval.low, interval.high],
        p,
        verdict,
        method,
      })),
      gates: gates
        .filter((result) => result.pair === pair)
        .map(({ gate, failed, reason }) => ({ condition: gate.text, failed, reason })),
    })),
    only_a: comparison.onlyA.map(groupJson),
    only_b: comparison.onlyB.map(groupJson),
  };
}

const groupJson = ({ configuration, runs }: RunGroup): unknown => ({
  configuration,
  runs: runs.map(({ file, line }) => ({ file, line })),
});
