/** A grid of characters to draw lines on, each as eight braille dots where the terminal has them. */
import { type Colour, paint, type TerminalStyle } from "./style.ts";

export interface Pen {
  readonly colour: Colour;
  /** What stands at a marked point. */
  readonly mark: string;
  /** What lines are made of: braille dots, or this character. */
  readonly line: "dots" | (string & {});
}

/** In columns and rows from the upper left; parts of them are meant. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Bits of U+2800..U+28FF by [row][column] of a character's dots. */
const dotBits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;

export class Canvas {
  readonly #columns: number;
  readonly #rows: number;
  readonly #pens: readonly Pen[];
  /** By cell: braille bits, the pen that drew last, and a character that hides the dots. */
  readonly #dots: Uint8Array;
  readonly #pen: Int16Array;
  readonly #characters: (string | undefined)[];

  constructor(columns: number, rows: number, pens: readonly Pen[]) {
    this.#columns = columns;
    this.#rows = rows;
    this.#pens = pens;
    this.#dots = new Uint8Array(columns * rows);
    this.#pen = new Int16Array(columns * rows).fill(-1);
    this.#characters = Array.from({ length: columns * rows });
  }

  /** Both ends included; what is outside is not drawn. */
  line(from: Place, to: Place, pen: number): void {
    const { line } = this.#pens[pen]!;
    const [across, down] = line === "dots" ? [2, 4] : [1, 1];
    const start = { x: from.x * across, y: from.y * down };
    const end = { x: to.x * across, y: to.y * down };
    const steps = Math.ceil(Math.max(Math.abs(end.x - start.x), Math.abs(end.y - start.y)));
    for (let i = 0; i <= steps; i++) {
      const share = steps === 0 ? 0 : i / steps;
      const column = snapped(start.x + share * (end.x - start.x), this.#columns * across);
      const row = snapped(start.y + share * (end.y - start.y), this.#rows * down);
      const cell = Math.floor(row / down) * this.#columns + Math.floor(column / across);
      this.#pen[cell] = pen;
      if (line === "dots") this.#dots[cell]! |= dotBits[row % 4]![column % 2]!;
      else this.#characters[cell] ??= line;
    }
  }

  mark({ x, y }: Place, pen: number): void {
    const cell = snapped(y, this.#rows) * this.#columns + snapped(x, this.#columns);
    this.#characters[cell] = this.#pens[pen]!.mark;
    this.#pen[cell] = pen;
  }

  lines(style: TerminalStyle): string[] {
    return Array.from({ length: this.#rows }, (_, row) => this.#line(row, style));
  }

  /** Neighbours of one pen are painted together. */
  #line(row: number, style: TerminalStyle): string {
    let text = "";
    let run = "";
    let runPen = -1;
    const endRun = (): void => {
      text += runPen < 0 ? run : paint(run, this.#pens[runPen]!.colour, style);
      run = "";
    };
    for (let cell = row * this.#columns; cell < (row + 1) * this.#columns; cell++) {
      const pen = this.#pen[cell]!;
      if (pen !== runPen) endRun();
      runPen = pen;
      run +=
        this.#characters[cell] ??
        (pen < 0 ? " " : String.fromCodePoint(0x2800 + this.#dots[cell]!));
    }
    endRun();
    return text;
  }
}

/** The dot that a place is in; the far edge belongs to the last. */
const snapped = (place: number, count: number): number =>
  Math.min(count - 1, Math.max(0, Math.floor(place)));
