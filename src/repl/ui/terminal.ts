/** The session on a raw terminal: keys come one by one, and the prompt stays below all output. */
import type { ReadStream, WriteStream } from "node:tty";
import { isIncomplete } from "../grammar.ts";
import type { World } from "../line/completion.ts";
import type { History } from "../line/history.ts";
import { KeyDecoder, type Key } from "../line/keys.ts";
import { Prompt, type Outcome } from "../line/prompt.ts";
import { Screen } from "../line/screen.ts";
import { layOut, type View } from "../line/layout.ts";
import type { Typed, Ui, WhileRunning } from "./ui.ts";

/** An Escape that nothing follows within this time is the key; terminals send sequences at once. */
const escapeMs = 50;
/** Keys typed ahead of the next prompt. */
const aheadLimit = 10_000;

const ignore = () => {};

export class TerminalUi implements Ui {
  readonly interactive = true;
  readonly #decoder = new KeyDecoder();
  readonly #screen: Screen;
  readonly #prompt: Prompt;
  readonly #ahead: Key[] = [];
  #escape: ReturnType<typeof setTimeout> | null = null;
  /** Who gets the keys: the prompt or a question; null while a command runs. */
  #reader: ((key: Key) => void) | null = null;
  #running: WhileRunning | null = null;
  /** Draws the block anew, as after a resize. */
  #redraw: () => void = () => {};
  #end: () => void = () => {};
  ended = false;

  readonly #stdin: ReadStream;
  readonly #stdout: WriteStream;
  readonly colour: boolean;

  constructor(
    stdin: ReadStream,
    stdout: WriteStream,
    colour: boolean,
    settings: { readonly history: History; readonly world: World },
  ) {
    this.#stdin = stdin;
    this.#stdout = stdout;
    this.colour = colour;
    const size = () => ({
      columns: this.columns,
      rows: Math.max(1, stdout.rows || 24),
    });
    this.#screen = new Screen((text) => void stdout.write(text), size);
    this.#prompt = new Prompt({ ...settings, isIncomplete });
    stdin.on("data", this.#onData);
    stdin.on("end", this.#onEnd);
    stdout.on("resize", this.#onResize);
    process.on("SIGCONT", this.#onContinue);
    process.on("exit", this.#restore);
    this.#take();
  }

  get columns(): number {
    return Math.max(2, this.#stdout.columns || 80);
  }

  async read(prompt: () => string): Promise<Typed | null> {
    const draw = (): View => this.#prompt.view(prompt(), this.columns, this.#paint);
    this.#redraw = () => this.#screen.show(draw());
    this.#redraw();
    const { promise, resolve } = Promise.withResolvers<Typed | null>();
    const act = (pressed: Key): void => {
      const shown = draw();
      const outcome = this.#prompt.press(pressed);
      const text = this.#afterKey(outcome, shown);
      if (text !== undefined) resolve(text);
    };
    this.#end = () => resolve(null);
    if (this.ended) resolve(null);
    this.#readBy(act);
    const typed = await promise;
    this.#reader = null;
    this.#redraw = () => {};
    return typed;
  }

  /** undefined while the line is being typed. */
  #afterKey(outcome: Outcome, shown: View): Typed | null | undefined {
    switch (outcome.kind) {
      case "submit":
        this.#reader = null; // what follows is for the next prompt
        this.#screen.keep(shown);
        return { text: outcome.text, line: 1 };
      case "dropped":
        this.#screen.keep({
          ...shown,
          lines: [...shown.lines.slice(0, -1), `${shown.lines.at(-1)}^C`],
        });
        this.#redraw();
        return undefined;
      case "end":
        this.#reader = null;
        this.#screen.keep(shown);
        return null;
      case "clear":
        this.#screen.clear();
        this.#redraw();
        return undefined;
      case "bell":
        this.#screen.bell();
        this.#redraw();
        return undefined;
      default:
        this.#redraw();
        return undefined;
    }
  }

  out(text: string): void {
    this.#screen.above(text);
    this.#redraw();
  }

  err(text: string): void {
    this.#screen.above(this.colour ? text.replaceAll(/^(.+)$/gm, "\x1b[31m$1\x1b[0m") : text);
    this.#redraw();
  }

  status(lines: readonly string[]): void {
    if (this.#reader) return; // the prompt has the place
    this.#screen.show({ lines, row: Math.max(0, lines.length - 1), column: 0 });
  }

  async during<T>(work: () => Promise<T>, keys: WhileRunning): Promise<T> {
    const outer = this.#running;
    this.#running = keys;
    try {
      return await work();
    } finally {
      this.#running = outer;
      this.#screen.flush();
      this.status([]);
    }
  }

  async lend<T>(work: (stdin: "inherit") => Promise<T>): Promise<T> {
    this.#restore();
    this.#stdin.pause();
    // Ctrl-C is for the program that has the terminal.
    process.on("SIGINT", ignore);
    try {
      return await work("inherit");
    } finally {
      process.off("SIGINT", ignore);
      this.#take();
    }
  }

  async ask(question: string): Promise<string> {
    const draw = (answer: string): View =>
      layOut(question + answer, "", 0, this.columns + 4, (text) => text);
    this.#redraw = () => this.#screen.show(draw(""));
    this.#redraw();
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#end = () => resolve("");
    if (this.ended) resolve("");
    this.#readBy((pressed) => {
      this.#reader = null;
      const answer = pressed.kind === "text" ? pressed.text : "";
      this.#screen.keep(draw(answer));
      resolve(answer);
    });
    const answer = await promise;
    this.#redraw = () => {};
    return answer;
  }

  clear(): void {
    this.#screen.clear();
  }

  close(): void {
    this.#restore();
    this.#stdin.off("data", this.#onData).off("end", this.#onEnd).pause();
    this.#stdout.off("resize", this.#onResize);
    process.off("SIGCONT", this.#onContinue).off("exit", this.#restore);
  }

  readonly #paint = (text: string): string => (this.colour ? `\x1b[1;36m${text}\x1b[0m` : text);

  /** Keys that were typed ahead come first. */
  #readBy(reader: (key: Key) => void): void {
    this.#reader = reader;
    while (this.#reader === reader && this.#ahead.length > 0) reader(this.#ahead.shift()!);
  }

  readonly #onData = (bytes: Uint8Array): void => {
    if (this.#escape) clearTimeout(this.#escape);
    this.#dispatch(this.#decoder.feed(bytes));
    if (this.#decoder.waiting) {
      this.#escape = setTimeout(() => this.#dispatch(this.#decoder.flush()), escapeMs);
    }
  };

  #dispatch(keys: readonly Key[]): void {
    for (const pressed of keys) {
      const name = pressed.kind === "key" ? pressed.name : "";
      if (this.#reader) this.#reader(pressed);
      else if (this.#running && name === "C-c") this.#running.interrupt();
      else if (this.#running && name === "C-z") this.#running.suspend();
      else if (this.#ahead.length < aheadLimit) this.#ahead.push(pressed);
    }
  }

  readonly #onEnd = (): void => {
    this.ended = true;
    this.#end();
  };

  readonly #onResize = (): void => this.#redraw();

  /** The shell has set the terminal to its own modes meanwhile. */
  readonly #onContinue = (): void => {
    this.#take();
    this.#redraw();
  };

  #take(): void {
    this.#stdin.setRawMode(true);
    this.#stdin.resume();
    this.#stdout.write("\x1b[?2004h"); // pastes are marked as such
  }

  readonly #restore = (): void => {
    this.#stdout.write("\x1b[?2004l");
    this.#stdin.setRawMode(false);
  };
}
