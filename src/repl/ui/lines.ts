/** The session by lines: a script on standard input, or a person at a terminal without cursor movement (TERM=dumb). */
import { isIncomplete } from "../grammar.ts";
import type { Typed, Ui, WhileRunning } from "./ui.ts";

export interface LineStreams {
  readonly stdin: NodeJS.ReadableStream;
  out(text: string): void;
  err(text: string): void;
}

export class LinesUi implements Ui {
  readonly colour = false;
  #text = "";
  #line = 0;
  ended = false;
  #wake: () => void = () => {};
  #running: WhileRunning | null = null;
  readonly #decoder = new TextDecoder();

  readonly #streams: LineStreams;
  readonly interactive: boolean;
  readonly columns: number;

  constructor(streams: LineStreams, interactive: boolean, columns: number) {
    this.#streams = streams;
    this.interactive = interactive;
    this.columns = columns;
    const { stdin } = streams;
    stdin.on("data", this.#onData);
    for (const name of ["end", "error", "close"]) stdin.on(name, this.#onEnd);
    process.on("SIGINT", this.#onInterrupt);
  }

  async read(prompt: () => string): Promise<Typed | null> {
    let text = "";
    const start = this.#line + 1;
    if (this.interactive) this.#streams.out(prompt());
    for (;;) {
      const line = await this.#nextLine();
      if (line === null) return text === "" ? null : { text, line: start };
      text += line;
      if (!isIncomplete(text)) return { text, line: start };
      text += "\n";
      if (this.interactive) this.#streams.out("> ");
    }
  }

  async #nextLine(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0 || (this.ended && this.#text !== "")) {
        const line = end < 0 ? this.#text : this.#text.slice(0, end);
        this.#text = end < 0 ? "" : this.#text.slice(end + 1);
        this.#line++;
        return line.replace(/\r$/, "");
      }
      if (this.ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  out(text: string): void {
    this.#streams.out(text);
  }

  err(text: string): void {
    this.#streams.err(text);
  }

  status(): void {}

  async during<T>(work: () => Promise<T>, keys: WhileRunning): Promise<T> {
    const outer = this.#running;
    this.#running = keys;
    try {
      return await work();
    } finally {
      this.#running = outer;
    }
  }

  /** The script is not for the programs that it starts. */
  async lend<T>(work: (stdin: "inherit" | "ignore") => Promise<T>): Promise<T> {
    if (!this.interactive) return work("ignore");
    this.#streams.stdin.pause();
    try {
      return await work("inherit");
    } finally {
      this.#streams.stdin.resume();
    }
  }

  async ask(question: string): Promise<string> {
    if (!this.interactive) return "";
    this.#streams.out(question);
    return (await this.#nextLine()) ?? "";
  }

  clear(): void {}

  close(): void {
    const { stdin } = this.#streams;
    stdin.off("data", this.#onData);
    for (const name of ["end", "error", "close"]) stdin.off(name, this.#onEnd);
    process.off("SIGINT", this.#onInterrupt);
    stdin.pause();
  }

  readonly #onData = (bytes: Uint8Array | string): void => {
    this.#text += typeof bytes === "string" ? bytes : this.#decoder.decode(bytes, { stream: true });
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#text += this.#decoder.decode(); // half a character becomes a mark of one
    this.ended = true;
    this.#wake();
  };

  /** Of a script this is the end: the command that runs is asked to finish, and nothing follows it. */
  readonly #onInterrupt = (): void => {
    if (!this.interactive) {
      this.#text = "";
      this.ended = true;
      this.#wake();
    }
    this.#running?.interrupt();
  };
}
