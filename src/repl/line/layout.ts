/** Where each character of a prompt stands on a terminal of so many columns. */
import { displayWidth, fit, graphemes, graphemeWidth } from "../../terminal/width.ts";

/** Lines for the bottom of the screen, none wider than it, and the cursor's place among them. */
export interface View {
  readonly lines: readonly string[];
  readonly row: number;
  readonly column: number;
}

/** What is shown for a character: what would steer the terminal is spelled out. */
function shown(grapheme: string): string {
  if (grapheme === "\t") return "  ";
  const code = grapheme.charCodeAt(0);
  if (code < 32 || code === 127) return `^${String.fromCharCode(code ^ 64)}`;
  return code >= 0x80 && code < 0xa0 ? "?" : grapheme;
}

/**
 * @param ahead Before the first line; further lines are indented alike.
 * @param cursor Offset into `text`.
 * @param paint Colours `ahead`.
 */
export function layOut(
  ahead: string,
  text: string,
  cursor: number,
  columns: number,
  paint: (text: string) => string,
): View {
  const head = fit(ahead, Math.max(0, columns - 4));
  const lines = [head];
  const indent = "> ".padStart(Math.min(displayWidth(head), Math.max(2, columns - 4)));
  let width = displayWidth(head);
  let place: { row: number; column: number } | null = null;
  let offset = 0;
  const breakLine = (start: string) => {
    lines.push(start);
    width = displayWidth(start);
  };
  for (const grapheme of graphemes(text)) {
    const drawn = shown(grapheme);
    const needs =
      grapheme === "\n" ? 0 : drawn === grapheme ? graphemeWidth(grapheme) : drawn.length;
    if (width + needs > columns) breakLine("");
    if (place === null && offset >= cursor) place = { row: lines.length - 1, column: width };
    offset += grapheme.length;
    if (grapheme === "\n") breakLine(indent);
    else {
      lines[lines.length - 1] += drawn;
      width += needs;
    }
  }
  if (place === null) {
    // A terminal has no column behind its last one.
    if (width >= columns) breakLine("");
    place = { row: lines.length - 1, column: width };
  } else if (place.column >= columns) place = { row: place.row + 1, column: 0 };
  lines[0] = paint(head) + lines[0]!.slice(head.length);
  return { lines, ...place };
}
