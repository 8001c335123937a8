/** Rows of values in the formats of other programs. */
import type { Value } from "./columns.ts";

interface Data {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

/** RFC 4180, with line feeds. What is not known is empty; infinity is inf. */
export function csv({ names, rows }: Data): string {
  const quoted = (text: string): string =>
    /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const field = (value: Value): string =>
    value === null ? "" : value === Infinity ? "inf" : quoted(String(value));
  return [names.map(quoted), ...rows.map((row) => row.map(field))]
    .map((row) => `${row.join(",")}\n`)
    .join("");
}

/** An array of objects. Infinity, which JSON lacks, is the text "inf". */
export function json({ names, rows }: Data): string {
  const objects = rows.map((row) =>
    Object.fromEntries(names.map((name, i) => [name, row[i] === Infinity ? "inf" : row[i]])),
  );
  return `[\n${objects.map((object) => `  ${JSON.stringify(object)}`).join(",\n")}\n]\n`;
}

/** GitHub's tables. */
export function markdown(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[],
): string {
  const escaped = (text: string): string =>
    text.replaceAll("\n", " ").replaceAll("|", "\\|").trim();
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [
    line(head.map(escaped)),
    line(right.map((isRight) => (isRight ? "---:" : "---"))),
    ...rows.map((row) => line(row.map(escaped))),
  ].join("");
}
