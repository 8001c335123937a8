/** Where the session talks to its user: a raw terminal (`terminal.ts`), or lines in and lines out (`lines.ts`). */

/** What was typed, and the line of the script that it begins at. */
export interface Typed {
  readonly text: string;
  readonly line: number;
}

/** What Ctrl-C and Ctrl-Z do while a command runs. */
export interface WhileRunning {
  interrupt(): void;
  /** Ctrl-Z: to the background. */
  suspend(): void;
}

export interface Ui {
  /** A person sits there: mistakes are told and the session goes on. Else it is a script, which ends at the first one. */
  readonly interactive: boolean;
  readonly colour: boolean;
  readonly columns: number;
  /** Nothing more will be typed. */
  readonly ended: boolean;
  /**
   * The next command, which may go over several lines, or a pasted text of several; null at the end.
   * @param prompt Asked whenever it is drawn: width and server in use change while one types.
   */
  read(prompt: () => string): Promise<Typed | null>;
  out(text: string): void;
  err(text: string): void;
  /** Lines that stand below the output and are redrawn; none: an empty list. */
  status(lines: readonly string[]): void;
  /** Runs with Ctrl-C and Ctrl-Z as given. What runs within it may have its own. */
  during<T>(work: () => Promise<T>, keys: WhileRunning): Promise<T>;
  /** Gives the terminal to another program while `work` runs. */
  lend<T>(work: (stdin: "inherit" | "ignore") => Promise<T>): Promise<T>;
  /** A question that one key answers, or on a dumb terminal one line; "" if nobody can answer. */
  ask(question: string): Promise<string>;
  /** Clears the screen. */
  clear(): void;
  close(): void;
}
