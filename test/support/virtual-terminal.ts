/** A terminal in memory: what a program writes becomes rows of characters, as xterm would show them. */
import { graphemes, graphemeWidth } from "../../src/terminal/width.ts";

/** An empty text is the right half of a wide character. */
type Row = string[];

export class VirtualTerminal {
  columns: number;
  rows: number;
  row = 0;
  column = 0;
  bells = 0;
  #screen: Row[] = [[]];
  /** Rows that have scrolled off the top. */
  readonly #scrolled: Row[] = [];
  #pending = "";

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** The rows that are shown, without blanks at their ends and without empty ones at the end. */
  get lines(): string[] {
    const lines = this.#screen.map(textOf);
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  /** With what has scrolled off. */
  get all(): string[] {
    return [...this.#scrolled.map(textOf), ...this.lines];
  }

  /** Narrower: rows are broken, as most terminals do. */
  resize(columns: number, rows: number): void {
    const cursorRow = this.#screen[this.row]!;
    const broken: Row[] = [];
    for (const row of this.#screen) {
      if (row === cursorRow) this.row = broken.length + Math.floor(this.column / columns);
      const content = textOf(row) === "" ? [] : row;
      for (let from = 0; from === 0 || from < content.length; from += columns) {
        broken.push(content.slice(from, from + columns));
      }
    }
    this.column = Math.min(this.column % columns, columns - 1);
    this.#screen = broken;
    [this.columns, this.rows] = [columns, rows];
    while (this.#screen.length > rows) {
      this.#scrolled.push(this.#screen.shift()!);
      this.row = Math.max(0, this.row - 1);
    }
    while (this.#screen.length <= this.row) this.#screen.push([]);
  }

  write(text: string): void {
    let rest = this.#pending + text;
    this.#pending = "";
    while (rest !== "") {
      const sequence = /^\x1b\[([\d;?]*)([A-Za-z])/.exec(rest);
      if (sequence) {
        this.#control(sequence[1]!, sequence[2]!);
        rest = rest.slice(sequence[0].length);
      } else if (rest[0] === "\x1b") {
        if (rest.length > 16)
          throw new Error(`unknown sequence ${JSON.stringify(rest.slice(0, 16))}`);
        this.#pending = rest;
        return;
      } else {
        const plain = /^[^\x00-\x1f]+/.exec(rest)?.[0];
        if (plain !== undefined) for (const grapheme of graphemes(plain)) this.#put(grapheme);
        else this.#single(rest[0]!);
        rest = rest.slice(plain?.length ?? 1);
      }
    }
  }

  #single(letter: string): void {
    if (letter === "\r") this.column = 0;
    else if (letter === "\n") this.#lineFeed();
    else if (letter === "\b") this.column = Math.max(0, this.column - 1);
    else if (letter === "\x07") this.bells++;
    else throw new Error(`unexpected control character ${JSON.stringify(letter)}`);
  }

  #control(parameters: string, final: string): void {
    const count = Number(parameters) || 1;
    if (final === "A") this.row = Math.max(0, this.row - count);
    else if (final === "B") this.row = Math.min(this.rows - 1, this.row + count);
    else if (final === "C") this.column = Math.min(this.columns - 1, this.column + count);
    else if (final === "D") this.column = Math.max(0, this.column - count);
    else if (final === "G") this.column = Math.min(this.columns, count) - 1;
    else if (final === "H") [this.row, this.column] = [0, 0];
    else if (final === "J" && parameters === "2") this.#screen = [[]];
    else if (final === "J") {
      this.#screen.length = this.row + 1;
      this.#cells(this.row).length = Math.min(this.#cells(this.row).length, this.column);
    } else if (final === "K")
      this.#cells(this.row).length = Math.min(this.#cells(this.row).length, this.column);
    else if (!"mhl".includes(final)) throw new Error(`unknown sequence CSI ${parameters}${final}`);
  }

  #cells(row: number): Row {
    while (this.#screen.length <= row) this.#screen.push([]);
    return this.#screen[row]!;
  }

  #lineFeed(): void {
    if (this.row < this.rows - 1) this.row++;
    else {
      this.#scrolled.push(this.#cells(0));
      this.#screen.shift();
    }
    this.#cells(this.row);
  }

  #put(grapheme: string): void {
    const width = graphemeWidth(grapheme);
    if (this.column + width > this.columns) {
      this.column = 0;
      this.#lineFeed();
    }
    const cells = this.#cells(this.row);
    while (cells.length < this.column) cells.push(" ");
    cells[this.column] = grapheme;
    if (width === 2) cells[this.column + 1] = "";
    this.column += width;
  }
}

const textOf = (row: Row): string =>
  Array.from(row, (cell) => cell ?? " ")
    .join("")
    .trimEnd();
