/** Lines at the end of a terminal that are drawn over and over. */
import type { TerminalStyle } from "../../terminal/style.ts";
import { displayWidth } from "../../terminal/width.ts";
import { liveLine, liveLines } from "./lines.ts";
import type { LiveState } from "./state.ts";
import type { LiveStream, LiveView } from "./view.ts";

const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";
const up = (rows: number): string => (rows > 0 ? `\u001b[${rows}A` : "");

export class TerminalBlock implements LiveView {
  readonly periodMs: number;
  readonly #stream: LiveStream;
  readonly #style: TerminalStyle;
  readonly #write: (text: string) => void;
  /** Widths of the lines that stand there; the cursor is behind the last. */
  #widths: readonly number[] = [];

  constructor(
    periodMs: number,
    stream: LiveStream,
    style: TerminalStyle,
    write: (text: string) => void,
  ) {
    this.periodMs = periodMs;
    this.#stream = stream;
    this.#style = style;
    this.#write = write;
  }

  /** What is over leaves one line behind. */
  show(state: LiveState): void {
    // The last column stays free: a terminal may wrap a line that fills it.
    const columns = Math.max(1, (this.#stream.columns ?? 80) - 1);
    if (state.over) {
      this.clear();
      this.#write(`${liveLine(state, columns)}\n`);
      return;
    }
    const rows = Math.max(1, (this.#stream.rows ?? 24) - 1);
    const lines = liveLines(state, columns, this.#style).slice(0, rows);
    const begin = this.#widths.length === 0 ? this.#hide() : this.#toTop();
    const text = lines.map((line) => `${line}${clearLine}`).join("\r\n");
    this.#write(`${begin}${text}${clearBelow}`);
    this.#widths = lines.map(displayWidth);
  }

  clear(): void {
    if (this.#widths.length === 0) return;
    this.#write(`${this.#toTop()}${clearBelow}${showCursor}`);
    this.#widths = [];
    process.off("exit", this.#restore);
  }

  /** However the program ends, the cursor is there again. */
  #hide(): string {
    process.on("exit", this.#restore);
    return hideCursor;
  }
  readonly #restore = (): void => this.#write(`${showCursor}\n`);

  /** A window that became narrower has wrapped the lines that stood there. */
  #toTop(): string {
    const columns = this.#stream.columns ?? 80;
    const rows = this.#widths.map((width) => Math.max(1, Math.ceil(width / columns)));
    return `\r${up(rows.reduce((sum, count) => sum + count, 0) - 1)}`;
  }
}
