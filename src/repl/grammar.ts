/**
 * The session's language: one command a line, its words quoted as in a shell. A backslash at the end of a line and an open
 * quote go on in the next one, `#` begins a comment, `!` hands the line to the shell, `&` at the end means a background job.
 */
import { homedir } from "node:os";
import { UsageError } from "../user-error.ts";

export interface Word {
  /** Without its quotes. */
  readonly text: string;
  /** Offsets into the text that was read, quotes included. */
  readonly start: number;
  readonly end: number;
}

/** What one command of a text was read as. Offsets count UTF-16 units. */
export interface Scan {
  readonly words: readonly Word[];
  /** Ends in `&`. */
  readonly background: boolean;
  /** The line after `!`; null where it is no shell line. */
  readonly shell: string | null;
  /** What the text ends in the middle of, and where that began; null for a whole command. */
  readonly open: { readonly kind: "'" | '"' | "\\"; readonly at: number } | null;
  /** Where the next command begins. */
  readonly next: number;
}

/** A mistake in how a line is written. */
export class GrammarError extends UsageError {
  /** Offset of the mistake. */
  readonly at: number;

  constructor(text: string, at: number, what: string) {
    super(`${placeOf(text, at)}: ${what}`);
    this.at = at;
  }
}

/** "column 7", or in a text of several lines "line 2, column 7". Columns count characters from 1. */
function placeOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  const column = `column ${[...before.at(-1)!].length + 1}`;
  return before.length > 1 ? `line ${before.length}, ${column}` : column;
}

const blank = /[^\S\n]/;
/** Words that mean something to a shell; standing alone they are hardly meant as themselves. */
const shellWords = ["|", "||", "&&", ";", ";;", ">", ">>", "<", "2>", "&>"];

/**
 * Reads the command that begins at `from`.
 * @throws GrammarError
 */
export function scan(text: string, from = 0): Scan {
  let at = from;
  while (blank.test(text[at] ?? "")) at++;
  if (text[at] === "!") return scanShell(text, at + 1);
  const words: Word[] = [];
  let background: number | null = null;
  for (;;) {
    while (blank.test(text[at] ?? "") || text.startsWith("\\\n", at))
      at += text[at] === "\\" ? 2 : 1;
    if (text[at] === "#") while (at < text.length && text[at] !== "\n") at++;
    if (at >= text.length || text[at] === "\n") break;
    if (background !== null) {
      throw new GrammarError(text, background, "'&' belongs to the end of the line; quote it");
    }
    const { word, open } = scanWord(text, at);
    const plain = text.slice(word.start, word.end);
    if (plain === "&") background = at;
    else words.push(word);
    if (shellWords.includes(plain))
      throw new GrammarError(
        text,
        at,
        `'${plain}' is the shell's: begin the line with ! to have it run there, or quote it`,
      );
    if (open) return { words, background: false, shell: null, open, next: text.length };
    at = word.end;
  }
  if (background !== null && words.length === 0) {
    throw new GrammarError(text, background, "'&' follows a command");
  }
  return { words, background: background !== null, shell: null, open: null, next: at + 1 };
}

function scanShell(text: string, start: number): Scan {
  let end = text.indexOf("\n", start);
  while (end > 0 && text[end - 1] === "\\") end = text.indexOf("\n", end + 1);
  const line = (end < 0 ? text.slice(start) : text.slice(start, end)).trim();
  if (line === "")
    throw new GrammarError(text, start - 1, "'!' needs a line for the shell after it");
  const open =
    end < 0 && text.endsWith("\\") ? ({ kind: "\\", at: text.length - 1 } as const) : null;
  const next = (end < 0 ? text.length : end) + 1;
  return { words: [], background: false, shell: line, open, next };
}

function scanWord(text: string, start: number): { word: Word; open: Scan["open"] } {
  let at = start;
  let value = "";
  const end = (open: Scan["open"] = null) => ({ word: { text: value, start, end: at }, open });
  while (at < text.length && text[at] !== "\n" && !blank.test(text[at]!)) {
    const letter = text[at]!;
    if (letter === "'" || letter === '"') {
      const scanned = scanQuoted(text, at);
      value += scanned.value;
      at = scanned.end;
      if (scanned.open) return end(scanned.open);
    } else if (letter === "\\") {
      if (at + 1 >= text.length) {
        at++;
        return end({ kind: "\\", at: at - 1 });
      }
      if (text[at + 1] !== "\n") value += text[at + 1];
      at += 2;
    } else {
      checkPrintable(text, at);
      value += letter;
      at++;
    }
  }
  return end();
}

function scanQuoted(text: string, start: number) {
  const kind = text[start] as "'" | '"';
  let value = "";
  let at = start + 1;
  for (; at < text.length && text[at] !== kind; at++) {
    // Between double quotes a backslash makes only these plain.
    if (kind === '"' && text[at] === "\\" && /["\\\n]/.test(text[at + 1] ?? "")) {
      at++;
      if (text[at] !== "\n") value += text[at];
    } else {
      checkPrintable(text, at);
      value += text[at];
    }
  }
  const closed = at < text.length;
  return { value, end: closed ? at + 1 : at, open: closed ? null : { kind, at: start } };
}

/** Programs take no NUL in their words, and the others steer the terminal when they are printed. */
function checkPrintable(text: string, at: number): void {
  const code = text.charCodeAt(at);
  if ((code < 32 && code !== 9 && code !== 10) || code === 127) {
    const hex = code.toString(16).padStart(2, "0");
    throw new GrammarError(text, at, `a control character (0x${hex}); write printable ones`);
  }
}

/** A whole command. */
export interface Line {
  readonly words: readonly string[];
  readonly background: boolean;
  readonly shell: string | null;
  readonly next: number;
}

/**
 * The command that begins at `from`, which must be whole.
 * @throws GrammarError
 */
export function parseLine(text: string, from = 0): Line {
  const { words, background, shell, open, next } = scan(text, from);
  if (open?.kind === "\\") throw new GrammarError(text, open.at, "nothing follows the backslash");
  if (open) throw new GrammarError(text, open.at, `the quote ${open.kind} has no end`);
  const plain = words.map(({ text: word, start }) =>
    text.startsWith("~/", start) ? homedir() + word.slice(1) : word,
  );
  return { words: plain, background, shell, next };
}

/** Whether Enter should begin another line instead of running what is there. */
export function isIncomplete(text: string): boolean {
  try {
    for (let at = 0; at < text.length;) {
      const { open, next } = scan(text, at);
      if (open) return true;
      at = next;
    }
    return false;
  } catch (error) {
    if (error instanceof GrammarError) return false;
    throw error;
  }
}

/** The word as it can be typed: in quotes where it needs them. */
export function quoted(word: string): string {
  if (/^(?!~\/)[^\s'"\\#!&|;<>][^\s'"\\]*$/.test(word) && !shellWords.includes(word)) return word;
  return word.includes("'") ? `"${word.replaceAll(/["\\]/g, "\\$&")}"` : `'${word}'`;
}
