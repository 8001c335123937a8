/**
 * The bottom of a terminal: a block of lines (the prompt, or what a running job shows) that is redrawn in place, and output
 * above it that scrolls away as usual. Writes escape sequences of any terminal since the VT100; knows nothing of keys.
 */
import { displayWidth } from "../../terminal/width.ts";
import type { View } from "./layout.ts";

const empty: View = { lines: [], row: 0, column: 0 };

export class Screen {
  #shown: View = empty;
  #columns: number;
  /** Output that has not come to the end of its line yet; it is shown when it has. */
  #partial = "";

  readonly #write: (text: string) => void;
  readonly #size: () => { readonly columns: number; readonly rows: number };

  constructor(
    write: (text: string) => void,
    size: () => { readonly columns: number; readonly rows: number },
  ) {
    this.#write = write;
    this.#size = size;
    this.#columns = size().columns;
  }

  /** Replaces the block. */
  show(view: View): void {
    this.#write(this.#erase() + this.#draw(view));
  }

  /** Output above the block. What does not end in a line feed waits for the rest of its line. */
  above(text: string): void {
    const whole = this.#partial + text;
    const end = whole.lastIndexOf("\n") + 1;
    this.#partial = whole.slice(end);
    if (end === 0) return;
    const view = this.#shown;
    this.#write(this.#erase() + whole.slice(0, end).replaceAll("\n", "\r\n") + this.#draw(view));
  }

  /** Leaves the block where it is, as output, and begins a new one below. */
  keep(view: View): void {
    const last = { lines: view.lines, row: view.lines.length - 1, column: 0 };
    this.#write(`${this.#erase()}${this.#draw(last)}\r\n`);
    this.#shown = empty;
  }

  /** The last line of output, where it had no end. */
  flush(): void {
    if (this.#partial !== "") this.above("\n");
  }

  clear(): void {
    this.#shown = empty;
    this.#write("\x1b[H\x1b[2J");
  }

  bell(): void {
    this.#write("\x07");
  }

  /** To the block's beginning, and everything from there on gone. */
  #erase(): string {
    const { lines, row, column } = this.#shown;
    const { columns } = this.#size();
    let up = row;
    if (columns < this.#columns) {
      // A narrower terminal has broken the lines that no longer fit.
      const rowsOf = (width: number): number => Math.max(1, Math.ceil(width / columns));
      up = lines.slice(0, row).reduce((sum, line) => sum + rowsOf(displayWidth(line)), 0);
      up += Math.floor(column / columns);
    }
    this.#columns = columns;
    this.#shown = empty;
    return `${up > 0 ? `\x1b[${up}A` : ""}\r\x1b[J`;
  }

  /** A block higher than the screen is shown in part, around the cursor. */
  #draw(view: View): string {
    const { columns, rows } = this.#size();
    const from = Math.max(0, Math.min(view.row - rows + 1, view.lines.length - rows));
    const lines = view.lines.slice(from, from + Math.max(1, rows));
    const row = view.row - from;
    const column = Math.min(view.column, columns - 1);
    this.#shown = { lines, row, column };
    if (lines.length === 0) return "";
    const up = lines.length - 1 - row;
    const back = `${up > 0 ? `\x1b[${up}A` : ""}\r${column > 0 ? `\x1b[${column}C` : ""}`;
    return lines.join("\r\n") + back;
  }
}
