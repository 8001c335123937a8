/** Rows of values in the formats of other programs. */
import type { Value } from "./columns.ts";

interface Data {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function csvField(value: Value): string {
  if (value === null) return "";
  return value === Infinity ? "inf" : quoted(String(value));
}

/** RFC 4180, with line feeds. What is not known is empty; infinity is inf. */
export const csv = ({ names, rows }: Data): string =>
  [names.map(quoted), ...rows.map((row) => row.map(csvField))]
    .map((row) => `${row.join(",")}\n`)
    .join("");

/** An array of objects. Infinity, which JSON lacks, is the text "inf". */
export function json({ names, rows }: Data): string {
  const objects = rows.map((row) =>
    Object.fromEntries(names.map((name, i) => [name, row[i] === Infinity ? "inf" : row[i]])),
  );
  return `[\n${objects.map((object) => `  ${JSON.stringify(object)}`).join(",\n")}\n]\n`;
}

const escaped = (text: string): string => text.replaceAll("\n", " ").replaceAll("|", "\\|").trim();
const markdownLine = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;

/** GitHub's tables. */
export function markdown(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[],
): string {
  return [
    markdownLine(head.map(escaped)),
    markdownLine(right.map((isRight) => (isRight ? "---:" : "---"))),
    ...rows.map((row) => markdownLine(row.map(escaped))),
  ].join("");
}
