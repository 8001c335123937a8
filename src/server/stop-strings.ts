/**
 * Finds stop strings in text that arrives in pieces. Text whose end might be the beginning of a stop string is
 * held back until that is decided, so nothing is shown that would have to be taken away again.
 */
export class StopStrings {
  /** The string that was found; none before it is. */
  matched: string | null = null;
  private held = "";
  private readonly searches: readonly Search[];

  /** @param strings none of them empty; the first listed wins when one piece completes several. */
  constructor(strings: readonly string[]) {
    this.searches = strings.map((text) => new Search(text));
  }

  /** Takes the next piece. Returns what may be shown: when a string was found, only the text before it. */
  push(piece: string): string {
    if (this.searches.length === 0) return piece;
    const text = this.held + piece;
    let partial = 0;
    for (const search of this.searches) {
      const end = search.advance(piece);
      if (end >= 0) {
        this.matched = search.text;
        const start = this.held.length + end - search.text.length;
        this.held = text.slice(start);
        return text.slice(0, start);
      }
      partial = Math.max(partial, search.partial);
    }
    const shown = text.length - partial;
    this.held = text.slice(shown);
    return text.slice(0, shown);
  }

  /** What is held back: the beginning of a stop string that did not come, or the one found and what followed it. */
  release(): string {
    const text = this.held;
    this.held = "";
    return text;
  }
}

/** Knuth, Morris and Pratt's search, which remembers between pieces how much of the string the text ends with. */
class Search {
  readonly text: string;
  /** Length of the longest beginning of `text` that the text so far ends with. */
  partial = 0;
  /** For each index, the length of the longest beginning of `text` that ends there, without being all of it. */
  private readonly borders: Int32Array;

  constructor(text: string) {
    this.text = text;
    this.borders = new Int32Array(text.length);
    for (let i = 1, length = 0; i < text.length; i++) {
      while (length > 0 && text[i] !== text[length]) length = this.borders[length - 1]!;
      if (text[i] === text[length]) length++;
      this.borders[i] = length;
    }
  }

  /** Index in `piece` just after the first occurrence, or -1. */
  advance(piece: string): number {
    for (let i = 0; i < piece.length; i++) {
      while (this.partial > 0 && piece[i] !== this.text[this.partial]) {
        this.partial = this.borders[this.partial - 1]!;
      }
      if (piece[i] === this.text[this.partial]) this.partial++;
      if (this.partial === this.text.length) return i + 1;
    }
    return -1;
  }
}
