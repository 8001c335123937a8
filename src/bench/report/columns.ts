/** Text in columns, without lines between them, for terminals and for pasting. */
import Table from "cli-table3";

const boxLines =
  "top top-mid top-left top-right mid mid-mid bottom bottom-mid bottom-left bottom-right left left-mid right right-mid";
const plain = {
  chars: { ...Object.fromEntries(boxLines.split(" ").map((line) => [line, ""])), middle: "  " },
  style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
};

/** The first column to the left, the others to the right. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const colAligns = head.map((_, i) => (i === 0 ? "left" : "right"));
  const made = new Table({ ...plain, colAligns });
  made.push(...[head, ...rows].map((row) => [...row]));
  return `${made.toString().replaceAll(/ +$/gm, "")}\n`;
}
