/** The text being typed and what keys do to it: emacs' keys, as bash and psql have them. Knows no terminal. */
import { graphemes } from "../../terminal/width.ts";
import type { Key } from "./keys.ts";

interface State {
  readonly text: string;
  /** Offset of the character under the cursor. */
  readonly cursor: number;
}

/** Undo goes back so many changes. */
const undoLimit = 500;
const killLimit = 50;

/** What the last key was, where the next one cares: kills in a row are one, yanks can be exchanged, typing is undone by the word. */
type Deed = "kill" | "yank" | "type" | "other";

export class Editor {
  text = "";
  cursor = 0;
  readonly #kills: string[] = [];
  #undo: State[] = [];
  #last: Deed = "other";
  #yanked = { start: 0, index: 0 };

  /** Replaces everything; undo brings the former text back. */
  set(text: string, cursor = text.length): void {
    if (text === this.text && cursor === this.cursor) return;
    this.#change({ text, cursor });
  }

  clear(): void {
    [this.text, this.cursor, this.#undo, this.#last] = ["", 0, [], "other"];
  }

  /** Does what the key says; false if it is none of the editor's. */
  press(pressed: Key): boolean {
    if (pressed.kind !== "key") {
      this.#insert(pressed.text, pressed.kind === "text" ? "type" : "other");
      return true;
    }
    const act = actions[pressed.name];
    if (act === undefined) return false;
    const deed = act(this);
    this.#last = deed ?? "other";
    return true;
  }

  insert(text: string): void {
    this.#insert(text, "other");
  }

  #insert(text: string, deed: Deed): void {
    const { cursor } = this;
    const goesOn = deed === "type" && this.#last === "type" && !/\s/.test(text);
    const next = {
      text: this.text.slice(0, cursor) + text + this.text.slice(cursor),
      cursor: cursor + text.length,
    };
    if (goesOn) [this.text, this.cursor] = [next.text, next.cursor];
    else this.#change(next);
    this.#last = deed;
  }

  #change({ text, cursor }: State): void {
    this.#undo.push({ text: this.text, cursor: this.cursor });
    if (this.#undo.length > undoLimit) this.#undo.shift();
    [this.text, this.cursor] = [text, cursor];
  }

  undo(): void {
    const before = this.#undo.pop();
    if (before) [this.text, this.cursor] = [before.text, before.cursor];
  }

  /** Replaces [from, to) and leaves the cursor behind the replacement. */
  replace(from: number, to: number, by: string): void {
    const text = this.text.slice(0, from) + by + this.text.slice(to);
    this.#change({ text, cursor: from + by.length });
  }

  /** Deletes up to `to` and keeps it for yanking. */
  kill(to: number): Deed {
    const [start, end] = [Math.min(this.cursor, to), Math.max(this.cursor, to)];
    const cut = this.text.slice(start, end);
    if (cut === "") return this.#last === "kill" ? "kill" : "other";
    if (this.#last === "kill") {
      const before = this.#kills[0] ?? "";
      this.#kills[0] = to < this.cursor ? cut + before : before + cut;
    } else this.#kills.unshift(cut);
    this.#kills.length = Math.min(this.#kills.length, killLimit);
    this.replace(start, end, "");
    return "kill";
  }

  yank(): Deed {
    const text = this.#kills[0];
    if (text === undefined) return "other";
    this.#yanked = { start: this.cursor, index: 0 };
    this.replace(this.cursor, this.cursor, text);
    return "yank";
  }

  /** After a yank: exchanges it for the kill before. */
  yankPop(): Deed {
    if (this.#last !== "yank") return "other";
    const { start, index } = this.#yanked;
    const next = (index + 1) % this.#kills.length;
    this.#yanked = { start, index: next };
    this.replace(start, this.cursor, this.#kills[next]!);
    return "yank";
  }

  transpose(): void {
    const at = this.cursor === lineEnd(this) ? previous(this) : this.cursor;
    const before = previousOf(this.text, at);
    const after = nextOf(this.text, at);
    if (before === at || this.text[before] === "\n") return;
    const swapped = this.text.slice(at, after) + this.text.slice(before, at);
    this.replace(before, after, swapped);
  }

  changeWord(change: (word: string) => string): void {
    const end = wordEnd(this);
    this.replace(this.cursor, end, change(this.text.slice(this.cursor, end)));
  }

  /** Moves to the line above (-1) or below (1) of the text, to the same character of it; false at the edge. */
  moveLine(by: -1 | 1): boolean {
    const start = lineStart(this);
    const column = this.cursor - start;
    const target = by < 0 ? start - 1 : lineEnd(this) + 1;
    if (target < 0 || target > this.text.length) return false;
    const targetStart = by < 0 ? this.text.lastIndexOf("\n", target - 1) + 1 : target;
    const end = this.text.indexOf("\n", targetStart);
    this.cursor = Math.min(targetStart + column, end < 0 ? this.text.length : end);
    return true;
  }
}

/** No character is longer, so that a step in a long text need not look at all of it. */
const longestGrapheme = 64;

function previousOf(text: string, cursor: number): number {
  const before = text.slice(Math.max(0, cursor - longestGrapheme), cursor);
  return cursor - (graphemes(before).at(-1)?.length ?? 0);
}
function nextOf(text: string, cursor: number): number {
  return cursor + (graphemes(text.slice(cursor, cursor + longestGrapheme))[0]?.length ?? 0);
}
const previous = (editor: Editor): number => previousOf(editor.text, editor.cursor);
const next = (editor: Editor): number => nextOf(editor.text, editor.cursor);
const lineStart = ({ text, cursor }: Editor): number =>
  cursor === 0 ? 0 : text.lastIndexOf("\n", cursor - 1) + 1;
function lineEnd({ text, cursor }: Editor): number {
  const end = text.indexOf("\n", cursor);
  return end < 0 ? text.length : end;
}

/** Goes back over what does not fit, then over what does. */
function backOver({ text, cursor }: Editor, fits: RegExp): number {
  let at = cursor;
  while (at > 0 && !fits.test(text[at - 1]!)) at--;
  while (at > 0 && fits.test(text[at - 1]!)) at--;
  return at;
}
const wordLetter = /[\p{L}\p{N}_\ud800-\udfff]/u;
/** Where the word before the cursor begins; words are letters, digits and _. */
const wordStart = (editor: Editor): number => backOver(editor, wordLetter);
function wordEnd({ text, cursor }: Editor): number {
  let at = cursor;
  while (at < text.length && !wordLetter.test(text[at]!)) at++;
  while (at < text.length && wordLetter.test(text[at]!)) at++;
  return at;
}
/** The same, words being what blanks part. */
const blankStart = (editor: Editor): number => backOver(editor, /\S/);

const move = (where: (editor: Editor) => number) => (editor: Editor) => {
  editor.cursor = where(editor);
};
const remove = (where: (editor: Editor) => number) => (editor: Editor) => {
  const to = where(editor);
  editor.replace(Math.min(to, editor.cursor), Math.max(to, editor.cursor), "");
};
const kill = (where: (editor: Editor) => number) => (editor: Editor) => editor.kill(where(editor));

const capital = (word: string): string =>
  word.toLowerCase().replace(wordLetter, (letter) => letter.toUpperCase());

const actions: Readonly<Record<string, (editor: Editor) => Deed | void>> = {
  "C-a": move(lineStart),
  Home: move(lineStart),
  "C-e": move(lineEnd),
  End: move(lineEnd),
  "C-b": move(previous),
  Left: move(previous),
  "C-f": move(next),
  Right: move(next),
  "M-b": move(wordStart),
  "C-Left": move(wordStart),
  "M-Left": move(wordStart),
  "M-f": move(wordEnd),
  "C-Right": move(wordEnd),
  "M-Right": move(wordEnd),
  Backspace: remove(previous),
  Delete: remove(next),
  "C-d": remove(next),
  "C-k": kill((editor) =>
    editor.text[editor.cursor] === "\n" ? editor.cursor + 1 : lineEnd(editor),
  ),
  "C-u": kill(lineStart),
  "C-w": kill(blankStart),
  "M-Backspace": kill(wordStart),
  "M-d": kill(wordEnd),
  "C-y": (editor) => editor.yank(),
  "M-y": (editor) => editor.yankPop(),
  "C-t": (editor) => editor.transpose(),
  "M-u": (editor) => editor.changeWord((word) => word.toUpperCase()),
  "M-l": (editor) => editor.changeWord((word) => word.toLowerCase()),
  "M-c": (editor) => editor.changeWord(capital),
  "C-_": (editor) => editor.undo(),
  "M-Enter": (editor) => editor.insert("\n"),
};
