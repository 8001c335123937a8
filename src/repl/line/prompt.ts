/** The prompt as a state machine: keys go in, a text to run comes out. Puts editor, history, search and completion together. */
import { displayWidth, fit } from "../../terminal/width.ts";
import { complete, insertion, type Candidate, type World } from "./completion.ts";
import { Editor } from "./editor.ts";
import { type History, HistorySearch, HistoryWalk } from "./history.ts";
import type { Key } from "./keys.ts";
import { layOut, type View } from "./layout.ts";

/** What a key led to. */
export type Outcome =
  | { readonly kind: "edited" }
  | { readonly kind: "submit"; readonly text: string }
  /** Ctrl-C: what was typed is dropped. */
  | { readonly kind: "dropped"; readonly text: string }
  /** Ctrl-D on an empty line. */
  | { readonly kind: "end" }
  | { readonly kind: "clear" }
  /** The key does nothing here. */
  | { readonly kind: "bell" };

export interface PromptSettings {
  readonly history: History;
  readonly world: World;
  /** Whether Enter should begin another line. */
  readonly isIncomplete: (text: string) => boolean;
}

const edited: Outcome = { kind: "edited" };
const bell: Outcome = { kind: "bell" };

export class Prompt {
  readonly #editor = new Editor();
  #walk: HistoryWalk | null = null;
  #search: HistorySearch | null = null;
  #listed: readonly Candidate[] = [];
  /** After C-x. */
  #prefixed = false;

  readonly #settings: PromptSettings;

  constructor(settings: PromptSettings) {
    this.#settings = settings;
  }

  get text(): string {
    return this.#editor.text;
  }

  press(pressed: Key): Outcome {
    this.#listed = [];
    if (this.#search) {
      const taken = this.#pressInSearch(this.#search, pressed);
      if (taken) return taken;
    }
    const name = pressed.kind === "key" ? pressed.name : "";
    const prefixed = this.#prefixed;
    this.#prefixed = name === "C-x";
    if (this.#prefixed) return edited;
    if (prefixed && name === "C-u") return this.#press({ kind: "key", name: "C-_" });
    const act = this.#actions[name];
    if (act) return act();
    return this.#press(pressed);
  }

  #press(pressed: Key): Outcome {
    this.#walk = null;
    return this.#editor.press(pressed) ? edited : bell;
  }

  readonly #actions: Readonly<Record<string, () => Outcome>> = {
    Enter: () => this.#enter(),
    Tab: () => this.#complete(),
    "C-c": () => {
      const { text } = this.#editor;
      this.#reset();
      return { kind: "dropped", text };
    },
    "C-d": () => {
      if (this.#editor.text === "") return { kind: "end" };
      return this.#press({ kind: "key", name: "Delete" });
    },
    "C-l": () => ({ kind: "clear" }),
    "C-r": () => {
      this.#search = new HistorySearch(this.#settings.history.entries);
      return edited;
    },
    Up: () => this.#vertical(-1),
    "C-p": () => this.#vertical(-1),
    Down: () => this.#vertical(1),
    "C-n": () => this.#vertical(1),
    "M-.": () => this.#lastWord(),
    Escape: () => edited,
  };

  #enter(): Outcome {
    const { text } = this.#editor;
    if (this.#settings.isIncomplete(text)) {
      this.#editor.cursor = text.length;
      this.#editor.insert("\n");
      return edited;
    }
    this.#reset();
    return { kind: "submit", text };
  }

  #reset(): void {
    this.#editor.clear();
    this.#walk = null;
    this.#search = null;
  }

  /** Within a text of several lines, then through the history. */
  #vertical(by: -1 | 1): Outcome {
    if (this.#walk === null && this.#editor.moveLine(by)) return edited;
    this.#walk ??= new HistoryWalk(this.#settings.history.entries, this.#editor.text);
    const text = this.#walk.step(by);
    if (text === null) return bell;
    this.#editor.set(text);
    return edited;
  }

  #lastWord(): Outcome {
    const word = this.#settings.history.entries.at(-1)?.trim().split(/\s+/).at(-1);
    if (word === undefined) return bell;
    this.#editor.insert(word);
    return edited;
  }

  #complete(): Outcome {
    this.#walk = null;
    const { text, cursor } = this.#editor;
    const completion = complete(text, cursor, this.#settings.world);
    const { from, to, candidates } = completion;
    if (candidates.length === 0) return bell;
    const inserted = insertion(completion);
    const isNew = inserted !== null && inserted.length > to - from;
    if (isNew) this.#editor.replace(from, to, inserted);
    if (!isNew || candidates.length === 1) this.#listed = candidates.length > 1 ? candidates : [];
    return edited;
  }

  /** null: the search is over, and the key is for the line that was found. */
  #pressInSearch(search: HistorySearch, pressed: Key): Outcome | null {
    if (pressed.kind !== "key") {
      search.type(pressed.text.replaceAll("\n", " "));
      return search.failed ? bell : edited;
    }
    switch (pressed.name) {
      case "C-r":
        search.older();
        return search.failed ? bell : edited;
      case "Backspace":
        search.erase();
        return edited;
      case "C-g":
      case "C-c":
        this.#search = null;
        return edited;
      default:
        this.#search = null;
        if (search.found !== null) this.#editor.set(search.found);
        return pressed.name === "Escape" ? edited : null;
    }
  }

  /** @param ahead What stands before the text, e.g. "servebench> ". */
  view(ahead: string, columns: number, paint: (text: string) => string): View {
    if (this.#search) {
      const { wanted, found, failed } = this.#search;
      const head = `(${failed ? "no more " : ""}search '${wanted}') `;
      return layOut(head, found ?? "", found?.indexOf(wanted) ?? 0, columns, paint);
    }
    const { text, cursor } = this.#editor;
    const view = layOut(ahead, text, cursor, columns, paint);
    const list = candidateLines(this.#listed, columns);
    return { ...view, lines: [...view.lines, ...list] };
  }
}

/** As many columns as fit, read downwards; with the words beside them where each has one and they fit. */
export function candidateLines(all: readonly Candidate[], columns: number): string[] {
  const most = 200;
  const names = all.slice(0, most).map(({ text }) => fit(text, columns));
  const more = all.length > most ? [fit(`... and ${all.length - most} more`, columns)] : [];
  const widest = Math.max(0, ...names.map(displayWidth)) + 2;
  const explained =
    all.length > 0 && all.length <= 24 && all.every(({ says }) => says !== undefined);
  if (explained && columns >= widest + 20) {
    return all.map(({ says }, i) => {
      const name = names[i]!;
      return fit(name + " ".repeat(widest - displayWidth(name)) + says, columns);
    });
  }
  const perRow = Math.max(1, Math.floor(columns / widest));
  const rows = Math.ceil(names.length / perRow);
  const lines = Array.from({ length: rows }, (_, row) =>
    names
      .filter((_name, i) => i % rows === row)
      .map((name) => name + " ".repeat(widest - displayWidth(name)))
      .join("")
      .trimEnd(),
  );
  return [...lines, ...more];
}
