/** Where live states go: a block on a terminal, lines of a log, or JSON for a program that shows them itself. */
import { terminalStyle } from "../../terminal/style.ts";
import { TerminalBlock } from "./block.ts";
import { liveLine } from "./lines.ts";
import type { LiveState, Series } from "./state.ts";

export interface LiveView {
  readonly periodMs: number;
  /** Called every `periodMs` while a run goes on, and once when it is `over`. */
  show(state: LiveState): void;
  /** Makes room for other text, and leaves the terminal as it was found. */
  clear(): void;
}

/** The standard error stream, as far as it matters here. Columns change as the window does. */
export interface LiveStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

const periodMs = 100;
const logPeriodMs = 10_000;

/** Whether a session started this process: it shows the figures, and keeps the results under names of its own. */
export const inSession = (env: Readonly<Record<string, string | undefined>>): boolean =>
  env["SERVEBENCH_LIVE"] === "1";

/**
 * What suits the stream. null: nobody is there to watch.
 * @param write Writes to the stream.
 */
export function liveViewOf(
  stream: LiveStream,
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => void,
): LiveView | null {
  if (inSession(env)) return new JsonStream(write);
  if (stream.isTTY === true && env["TERM"] !== "dumb") {
    return new TerminalBlock(periodMs, stream, terminalStyle(stream, env), write);
  }
  return stream.isTTY === true || env["CI"] ? new LogLines(write) : null;
}

/** RFC 7464, so that states can be told from other text: a record separator, JSON, a line feed. */
class JsonStream implements LiveView {
  readonly periodMs = periodMs;
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }
  show(state: LiveState): void {
    this.#write(`\u001e${JSON.stringify(state)}\n`);
  }
  clear(): void {}
}

class LogLines implements LiveView {
  readonly periodMs = logPeriodMs;
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }
  show(state: LiveState): void {
    this.#write(`${liveLine(state)}\n`);
  }
  clear(): void {}
}

/** The view of a run that is one of several. */
export function inSeries(view: LiveView | null, series: Series): LiveView | null {
  return (
    view && {
      periodMs: view.periodMs,
      show: (state) => view.show({ ...state, series }),
      clear: () => view.clear(),
    }
  );
}
