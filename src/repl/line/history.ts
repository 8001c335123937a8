/** Commands of all sessions, newest last, in a file of the data folder that sessions append to. */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** The file is cut to so many when it has grown to twice as many. */
const kept = 5000;

export class History {
  #entries: string[] = [];

  readonly #path: string | null;
  readonly #say: (line: string) => void;

  /**
   * @param path null keeps nothing on disk.
   * @param say Takes a sentence when the file cannot be used; commands are remembered all the same.
   */
  constructor(path: string | null, say: (line: string) => void = () => {}) {
    this.#path = path;
    this.#say = say;
    if (path === null) return;
    try {
      const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
      this.#entries = withoutRepeats(lines.map(unescaped));
      if (lines.length > 2 * kept) this.#rewrite();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#complain(error);
    }
  }

  /** Oldest first, each once. */
  get entries(): readonly string[] {
    return this.#entries;
  }

  /** What begins with a blank is not kept, as in shells: the place for keys and passwords. */
  add(entry: string): void {
    if (entry.trim() === "" || /^\s/.test(entry)) return;
    this.#entries = [...this.#entries.filter((other) => other !== entry), entry];
    if (this.#path === null) return;
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      appendFileSync(this.#path, `${escaped(entry)}\n`, { mode: 0o600 });
    } catch (error) {
      this.#complain(error);
    }
  }

  #rewrite(): void {
    this.#entries = this.#entries.slice(-kept);
    const partial = `${this.#path}.${process.pid}`;
    writeFileSync(partial, this.#entries.map((entry) => `${escaped(entry)}\n`).join(""), {
      mode: 0o600,
    });
    renameSync(partial, this.#path!);
  }

  #complain(error: unknown): void {
    this.#say(`the history file ${this.#path} cannot be used: ${(error as Error).message}`);
  }
}

function withoutRepeats(entries: readonly string[]): string[] {
  return [...new Set(entries.toReversed())].toReversed();
}

const escaped = (entry: string): string =>
  entry.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
const unescaped = (line: string): string =>
  line.replaceAll(/\\([\\nr])/g, (_, letter: string) =>
    letter === "n" ? "\n" : letter === "r" ? "\r" : "\\",
  );

/** A walk through the history with Up and Down: entries that begin with what was typed. */
export class HistoryWalk {
  readonly #entries: readonly string[];
  #at: number;

  readonly #typed: string;

  constructor(entries: readonly string[], typed: string) {
    this.#typed = typed;
    this.#entries = entries.filter((entry) => entry.startsWith(typed) && entry !== typed);
    this.#at = this.#entries.length;
  }

  /** The next older (-1) or newer (1) entry, after the newest the typed text; null at the end. */
  step(by: -1 | 1): string | null {
    const at = this.#at + by;
    if (at < 0 || at > this.#entries.length) return null;
    this.#at = at;
    return this.#entries[at] ?? this.#typed;
  }
}

/** Ctrl-R: the newest entry that holds what is typed, then older ones. */
export class HistorySearch {
  wanted = "";
  #at: number;
  failed = false;

  readonly #entries: readonly string[];

  constructor(entries: readonly string[]) {
    this.#entries = entries;
    this.#at = entries.length;
  }

  /** null before anything has been found. */
  get found(): string | null {
    return this.#entries[this.#at] ?? null;
  }

  type(text: string): void {
    this.wanted += text;
    this.#seek(Math.min(this.#at, this.#entries.length - 1));
  }

  erase(): void {
    this.wanted = [...this.wanted].slice(0, -1).join("");
    this.#at = this.#entries.length;
    this.failed = false;
    if (this.wanted !== "") this.#seek(this.#entries.length - 1);
  }

  older(): void {
    if (this.wanted !== "") this.#seek(this.#at - 1);
  }

  #seek(from: number): void {
    const at =
      from < 0
        ? -1
        : this.#entries.findLastIndex((entry, i) => i <= from && entry.includes(this.wanted));
    this.failed = at < 0;
    if (at >= 0) this.#at = at;
  }
}
