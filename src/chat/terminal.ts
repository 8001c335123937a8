/** A chat at a terminal: lines in, tokens out as they come. */
import { createInterface } from "node:readline";
import { nearest } from "../nearest.ts";
import { paint, type TerminalStyle } from "../terminal/style.ts";
import type { Answer, Conversation, OnText } from "./conversation.ts";
import { answerLine, failureLine, statsText } from "./text.ts";

export interface ChatTerminal {
  write(text: string): void;
  readonly style: TerminalStyle;
}

const help = `\
/new           forget what was said
/system TEXT   set the system prompt from now on; without TEXT, have none
/regenerate    ask the last question again
/stats         times and tokens of all answers so far
/exit          leave, as Ctrl-D does
A line that ends with \\ goes on in the next; lines that are pasted are one question.
Ctrl-C stops an answer; at the prompt, twice leaves.
`;

/** Talks until the user leaves. */
export async function talk(conversation: Conversation, terminal: ChatTerminal): Promise<void> {
  await new Talk(conversation, terminal).run();
  conversation.close();
}

class Talk {
  readonly #conversation: Conversation;
  readonly #terminal: ChatTerminal;
  /** Newest first, as readline has it. */
  #history: string[] = [];
  readonly #commands: Readonly<Record<string, (rest: string) => Promise<void> | void>> = {
    new: () => {
      this.#conversation.begin();
      this.#say("a new conversation\n");
    },
    system: (text) => {
      this.#conversation.system = text === "" ? null : text;
      this.#say(text === "" ? "no system prompt\n" : "the system prompt is set\n");
    },
    regenerate: async () => {
      const again = (onText: OnText, signal: AbortSignal) =>
        this.#conversation.regenerate(onText, signal);
      if (!(await this.#show(again))) this.#say("nothing was asked yet\n");
    },
    stats: () => this.#say(statsText(this.#conversation.answers)),
    help: () => this.#say(help),
  };

  constructor(conversation: Conversation, terminal: ChatTerminal) {
    this.#conversation = conversation;
    this.#terminal = terminal;
  }

  async run(): Promise<void> {
    const { model, target } = this.#conversation.settings;
    this.#say(`${model} at ${target.hostHeader}; /help lists the commands, Ctrl-D leaves\n`);
    for (;;) {
      const text = await this.#read();
      if (text === null || /^\/(exit|quit)$/.test(text.trim())) return;
      // A path is no command.
      const [, name, rest = ""] = /^\/(\w*)(?:\s+([^]*))?$/.exec(text.trim()) ?? [];
      if (name !== undefined) await this.#command(name, rest);
      else if (text.trim() !== "") await this.#ask(text);
    }
  }

  #say(text: string): void {
    this.#terminal.write(paint(text, "dim", this.#terminal.style));
  }

  async #command(name: string, rest: string): Promise<void> {
    const names = [...Object.keys(this.#commands), "exit"];
    const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
    if (command) await command(rest);
    else this.#say(`no command /${name}${nearest(name, names)}; /help lists them\n`);
  }

  #ask(question: string): Promise<boolean> {
    return this.#show((onText, signal) => this.#conversation.ask(question, onText, signal));
  }

  /** Shows an answer as it comes, and its figures. @returns false if there was nothing to ask. */
  async #show(
    ask: (onText: OnText, signal: AbortSignal) => Promise<Answer> | null,
  ): Promise<boolean> {
    const { write, style } = this.#terminal;
    const controller = new AbortController();
    const stop = (): void => controller.abort();
    let atLineStart = true;
    const onText: OnText = (text, isThought) => {
      const shown = printable(text);
      write(isThought ? paint(shown, "dim", style) : shown);
      if (shown !== "") atLineStart = shown.endsWith("\n");
    };
    process.on("SIGINT", stop);
    const answer = await ask(onText, controller.signal);
    process.off("SIGINT", stop);
    if (answer === null) return false;
    if (!atLineStart) write("\n");
    const { failure } = answer;
    if (failure !== null && failure.class !== "interrupted")
      write(`${paint(printable(failureLine(failure)), "red", style)}\n`);
    else this.#say(`${answerLine(answer)}\n`);
    return true;
  }

  /** What is typed; null when the user leaves. */
  async #read(): Promise<string | null> {
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: this.#history,
      historySize: 1000,
    });
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const prompt = (text: string): void => {
      lines.setPrompt(text);
      lines.prompt();
    };
    let typed: string[] = [];
    let leavesNext = false;
    // Lines that come at once were pasted; what follows the last of them waits for Enter.
    const take = (): void => {
      if (typed.length === 0 || lines.line !== "") return;
      if (typed.at(-1)!.endsWith("\\")) return prompt("… ");
      resolve(typed.map((line) => line.replace(/\\$/, "")).join("\n"));
    };
    lines.on("line", (line) => {
      leavesNext = false;
      if (typed.push(line) === 1 || lines.line === "") setImmediate(take);
    });
    lines.on("SIGINT", () => {
      if (leavesNext) return resolve(null);
      leavesNext = typed.length === 0 && lines.line === "";
      typed = [];
      lines.write(null, { ctrl: true, name: "e" });
      lines.write(null, { ctrl: true, name: "u" });
      this.#terminal.write("\n");
      if (leavesNext) this.#say("Ctrl-C once more leaves\n");
      prompt("> ");
    });
    lines.on("history", (history) => (this.#history = history));
    lines.on("close", () => resolve(null));
    prompt("> ");
    const text = await promise;
    lines.close();
    if (text === null) this.#terminal.write("\n");
    return text;
  }
}

/** Without control characters, by which a model could speak to the terminal. */
const printable = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- they are meant
  text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
