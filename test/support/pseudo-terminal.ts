/** Runs the program on a pseudo-terminal: types, and looks at the screen. */
import { VirtualTerminal } from "./virtual-terminal.ts";

export interface PseudoTerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
}

/** Nothing that is waited for takes so long, however busy the machine. */
const patienceMs = 40_000;

export class PseudoTerminal {
  readonly screen: VirtualTerminal;
  /** All bytes, as they came. */
  raw = "";
  readonly #process: Bun.Subprocess;
  readonly #terminal: Bun.Terminal;
  #seen = 0;
  #changed: () => void = () => {};

  constructor(command: readonly string[], options: PseudoTerminalOptions = {}) {
    const { columns = 80, rows = 24, env = {}, cwd } = options;
    this.screen = new VirtualTerminal(columns, rows);
    const decoder = new TextDecoder();
    this.#process = Bun.spawn([...command], {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, TERM: "xterm-256color", ...env } as Record<string, string>,
      terminal: {
        cols: columns,
        rows,
        data: (_terminal, bytes) => {
          const text = decoder.decode(bytes, { stream: true });
          this.raw += text;
          this.screen.write(text);
          const changed = this.#changed;
          this.#changed = () => {};
          changed();
        },
      },
    });
    this.#terminal = this.#process.terminal!;
  }

  get pid(): number {
    return this.#process.pid;
  }

  type(text: string): void {
    this.#terminal.write(text);
  }

  resize(columns: number, rows: number): void {
    this.screen.resize(columns, rows);
    this.#terminal.resize(columns, rows);
  }

  /** Waits until the screen is as wanted. */
  async until(is: (lines: readonly string[]) => boolean, what: string): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!is(this.screen.lines)) {
      if (Date.now() > deadline) {
        throw new Error(`never seen: ${what}; the screen is\n${this.screen.lines.join("\n")}`);
      }
      await this.changed();
    }
  }

  /** Waits until something comes, or a fifth of a second. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#changed;
      this.#changed = () => {
        before();
        resolve();
      };
      setTimeout(resolve, 200);
    });
  }

  /** Waits for a text among all that was shown since the last one that was waited for. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    const plain = (): string => this.raw.slice(this.#seen).replaceAll(/\x1b\[[\d;?]*[A-Za-z]/g, "");
    await this.until(() => (found = pattern.exec(plain())) !== null, String(pattern));
    this.#seen = this.raw.length;
    return found!;
  }

  /** Waits for the prompt, with nothing typed behind it. */
  async prompt(): Promise<void> {
    await this.until((lines) => /^(servebench.*)?>$/.test(lines.at(-1) ?? ""), "the prompt");
  }

  async enter(line: string): Promise<void> {
    await this.prompt();
    this.#seen = this.raw.length;
    this.type(`${line}\r`);
    await this.until(() => this.raw.includes("\r\n", this.#seen), `${line} taken`);
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async exited(): Promise<number> {
    const code = await this.#process.exited;
    this.#terminal.close();
    return code;
  }
}
