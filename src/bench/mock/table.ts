/** The self-test's rows as a Markdown table. */
import { arch, cpus } from "node:os";
import type { Bar, Row } from "./self-test.ts";

export function selfTestTable(rows: readonly Row[]): string {
  const processors = cpus();
  return (
    `This client beside a bare one, in turns; ${processors.length} x ${processors[0]?.model.trim() ?? arch()}, ` +
    `${new Date().toISOString().slice(0, 10)}. Client and mock share the machine.\n\n${figureTable(rows)}`
  );
}

/** The rows alone; with a column of the other client, if it has a name. */
export function figureTable(rows: readonly Row[], peer: string | null = null): string {
  const name = peer === null ? [] : [peer];
  const head = [
    "load",
    "figure",
    "bare",
    ...name,
    "servebench",
    "ratio to bare",
    "to reach",
    "met",
  ];
  const lines = rows.map((row, i) => {
    const unit = row.unit === "" ? "" : ` ${row.unit}`;
    return [
      row.scenario === rows[i - 1]?.scenario ? "" : row.scenario,
      row.figure + unit,
      number(row.bare),
      ...(peer === null ? [] : [number(row.peer)]),
      number(row.servebench),
      row.bare === null ? "" : (row.servebench / row.bare).toFixed(2),
      barText(row.bar),
      verdict(row),
    ];
  });
  const table = [head, head.map(() => "---"), ...lines];
  return table.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function barText(bar: Bar | null): string {
  if (bar === null) return "";
  const sign = bar.side === "most" ? "<=" : ">=";
  return bar.ofBare ? `${sign} ${bar.value}x bare` : `${sign} ${plainNumber(bar.value)}`;
}

const plainNumber = (value: number): string => (value < 100 ? String(value) : number(value));

function verdict({ bar, bare, servebench }: Row): string {
  if (bar === null) return "";
  const bound = bar.ofBare ? bar.value * bare! : bar.value;
  const met = bar.side === "most" ? servebench <= bound : servebench >= bound;
  return met ? "yes" : "**no**";
}

/** Three digits that count. */
function number(value: number | null): string {
  if (value === null) return "";
  if (!Number.isFinite(value)) return "-";
  const digits =
    Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits).replaceAll(/\B(?=(\d{3})+(?!\d))/g, digits === 0 ? " " : "");
}
