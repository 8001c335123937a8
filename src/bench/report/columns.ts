/** Text in columns, without lines between them, for terminals and for pasting. */
import { tableText } from "../../terminal/table.ts";

/** The first column to the left, the others to the right. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return tableText({ head, rows, right: head.map((_, i) => i > 0), frame: "none" });
}
