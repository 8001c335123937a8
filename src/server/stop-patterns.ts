/**
 * Finds stop_regex patterns in text that arrives in pieces. Which text a pattern may yet match cannot be told in
 * general, so nothing is held back: a match ends the text where its piece ends.
 */

/** A match begins at most so many characters before the newest piece; without it long texts would take ever longer. */
export const patternReach = 4096;

export interface StopPattern {
  /** As the request wrote it. */
  readonly text: string;
  /** With the flag g. */
  readonly regex: RegExp;
}

export class StopPatterns {
  private readonly patterns: readonly StopPattern[];
  private readonly budgetMs: number;
  private text = "";
  private spentMs = 0;

  /** @param budgetMs what all searches of one text may take: some patterns need time without end. */
  constructor(patterns: readonly StopPattern[], budgetMs = 2000) {
    this.patterns = patterns;
    this.budgetMs = budgetMs;
  }

  /** True once the searches have taken longer than they may; `push` then finds nothing more. */
  get isExhausted(): boolean {
    return this.spentMs > this.budgetMs;
  }

  /** Takes the next piece. Returns the first listed pattern that the text now matches, or null. */
  push(piece: string): string | null {
    if (this.patterns.length === 0 || piece === "") return null;
    const from = Math.max(this.text.length - patternReach, 0);
    this.text += piece;
    return this.patterns.find(({ regex }) => this.search(regex, from))?.text ?? null;
  }

  private search(regex: RegExp, from: number): boolean {
    if (this.isExhausted) return false;
    const startMs = performance.now();
    regex.lastIndex = from;
    const found = regex.test(this.text);
    this.spentMs += performance.now() - startMs;
    return found;
  }
}
