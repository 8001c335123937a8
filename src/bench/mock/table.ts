/** The self-test's rows as a Markdown table. */
import { arch, cpus } from "node:os";
import type { Row } from "./self-test.ts";

export function selfTestTable(rows: readonly Row[]): string {
  const processors = cpus();
  const head = [
    `This client beside a bare one, in turns; ${processors.length} x ${processors[0]?.model.trim() ?? arch()}, ` +
      `${new Date().toISOString().slice(0, 10)}. Client and mock share the machine.`,
    "",
    "| load | figure | bare | servebench | ratio | to reach | |",
    "|---|---|---|---|---|---|---|",
  ];
  const lines = rows.map((row, i) => {
    const ratio = row.bare === null ? "" : (row.servebench / row.bare).toFixed(2);
    const name = row.scenario === rows[i - 1]?.scenario ? "" : row.scenario;
    const unit = row.unit === "" ? "" : ` ${row.unit}`;
    const bare = row.bare === null ? "" : number(row.bare);
    const cells = [name, row.figure + unit, bare, number(row.servebench), ratio, barText(row.bar)];
    return `| ${cells.join(" | ")} | ${verdict(row)} |`;
  });
  return `${[...head, ...lines].join("\n")}\n`;
}

function barText(bar: Row["bar"]): string {
  if (bar === null) return "";
  if ("ratio" in bar) return `<= ${bar.ratio}x bare`;
  return "most" in bar ? `<= ${bar.most}` : `>= ${number(bar.least)}`;
}

function verdict({ bar, bare, servebench }: Row): string {
  if (bar === null) return "";
  const met =
    "ratio" in bar
      ? servebench <= bar.ratio * bare!
      : "most" in bar
        ? servebench <= bar.most
        : servebench >= bar.least;
  return met ? "yes" : "**no**";
}

/** Three digits that count. */
function number(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits =
    Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits).replaceAll(/\B(?=(\d{3})+(?!\d))/g, digits === 0 ? " " : "");
}
