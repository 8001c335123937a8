/** Gates of a comparison: by how much a figure may change before the exit code says so. */
import { UsageError, UserError } from "../../user-error.ts";
import { type Figure, parseFigure } from "../results/figures.ts";
import type { Comparison, Difference, Pair } from "./compare.ts";

/** "output_throughput<-5%": fails when the change from A to B is below -5 %. */
export interface ChangeGate {
  readonly kind: "change";
  readonly text: string;
  readonly figure: Figure;
  readonly direction: "<" | ">";
  /** In percent of A, or in the figure's unit. */
  readonly limit: number;
  readonly relative: boolean;
}
/** "regression": fails when any headline figure is worse beyond chance. */
export interface RegressionGate {
  readonly kind: "regression";
  readonly text: string;
}
export type Gate = ChangeGate | RegressionGate;

/** @throws UsageError */
export function parseGate(text: string): Gate {
  if (text.trim() === "regression") return { kind: "regression", text: "regression" };
  const match = /^\s*([\w.]+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*(%|ms|s|)\s*$/.exec(text);
  if (!match) {
    throw new UsageError(
      `'${text}' is no condition; write a figure and the change from A to B that fails, like ` +
        `"output_throughput<-5%" or "ttft_p99>20ms", or the word regression`,
    );
  }
  const [, name, direction, number, unit] = match as unknown as [
    string,
    string,
    "<" | ">",
    string,
    string,
  ];
  const figure = parseFigure(name);
  if ((unit === "ms" || unit === "s") && figure.unit !== "ms") {
    throw new UsageError(`'${text}': ${figure.name} is in ${figure.unit}, not in ${unit}`);
  }
  const limit = Number(number) * (unit === "s" ? 1000 : 1);
  if (direction === "<" ? limit > 0 : limit < 0) {
    const meant = `${figure.name}${direction}${direction === "<" ? "-" : ""}${Math.abs(Number(number))}${unit}`;
    throw new UsageError(`'${text}' fails when nothing has changed; did you mean "${meant}"?`);
  }
  // A share of failed requests is compared in points: 1 % of nothing is nothing.
  const relative = unit === "%" && figure.kind !== "errors";
  return { kind: "change", text: text.trim(), figure, direction, limit, relative };
}

/** What a gate says of a pair of runs. */
export interface GateResult {
  readonly pair: Pair;
  readonly gate: Gate;
  readonly failed: boolean;
  readonly reason: string;
}

/**
 * @param strict Fail also where the change may be chance.
 * @throws UserError for a figure that the runs do not have.
 */
export function applyGates(
  { pairs }: Comparison,
  gates: readonly Gate[],
  strict: boolean,
): GateResult[] {
  return pairs.flatMap((pair) =>
    gates.flatMap((gate) =>
      gate.kind === "regression" ? regression(pair, gate) : [changed(pair, gate, strict)],
    ),
  );
}

function regression(pair: Pair, gate: RegressionGate): GateResult[] {
  const worse = pair.differences.filter(({ verdict }) => verdict === "worse");
  if (pair.differences.every(({ interval }) => interval === null)) {
    throw new UserError(
      "--fail-on regression: single lines say nothing about chance; give records (--records) or several runs a side",
    );
  }
  const reason =
    worse.length === 0
      ? "no figure is worse beyond chance"
      : `worse: ${worse.map(({ figure }) => figure.name).join(", ")}`;
  return [{ pair, gate, failed: worse.length > 0, reason }];
}

function changed(pair: Pair, gate: ChangeGate, strict: boolean): GateResult {
  const found = pair.differences.find(({ figure }) => figure.name === gate.figure.name);
  if (!found) {
    throw new UserError(
      `--fail-on: ${gate.figure.name} is not in both runs; a figure that result lines do not hold, such as a ` +
        "percentile of too few requests, needs --records",
    );
  }
  const change = gate.relative ? (100 * found.change) / found.a : found.change;
  const beyond = gate.direction === "<" ? change < gate.limit : change > gate.limit;
  const said = `${gate.figure.name} changed by ${changeText(change, gate)}`;
  if (!beyond) return { pair, gate, failed: false, reason: said };
  if (found.verdict === "same" && !strict) {
    return { pair, gate, failed: false, reason: `${said}, which may be chance (${pText(found)})` };
  }
  const unsure = found.verdict === "unknown" ? "; nothing is known about chance" : "";
  return { pair, gate, failed: true, reason: said + unsure };
}

const changeText = (change: number, { relative, figure }: ChangeGate): string =>
  `${change >= 0 ? "+" : ""}${change.toFixed(2)} ${relative ? "%" : figure.unit}`;

const pText = ({ p }: Difference): string => `p = ${p === null ? "?" : p.toFixed(3)}`;
