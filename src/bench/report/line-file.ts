/** A file of whole lines: a full disk leaves no half of one, and what another run left half is ended first. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

const newline = 0x0a;

export class LineFile {
  readonly #file: number;

  /** Opens for appending. @throws Error of the system */
  constructor(path: string) {
    this.#file = openSync(path, "a+");
    if (this.#endsWithinLine()) writeSync(this.#file, "\n");
  }

  /**
   * Appends whole lines with one write, so that runs side by side do not tear each other's.
   * @throws Error of the system; lines that were written whole stay.
   */
  append(lines: readonly string[]): void {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    const before = fstatSync(this.#file);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      if (before.isFile()) this.#cutHalfLine(bytes.subarray(0, written), before.size);
      throw error;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #endsWithinLine(): boolean {
    const stat = fstatSync(this.#file);
    if (!stat.isFile() || stat.size === 0) return false;
    const last = Buffer.alloc(1);
    readSync(this.#file, last, 0, 1, stat.size - 1);
    return last[0] !== newline;
  }

  /** Nothing is cut where another process has written too. */
  #cutHalfLine(written: Buffer, from: number): void {
    if (fstatSync(this.#file).size !== from + written.length) return;
    ftruncateSync(this.#file, from + written.lastIndexOf(newline) + 1);
  }
}
