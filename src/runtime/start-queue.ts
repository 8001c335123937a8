/** Shares the event loop between much work that comes at once and everything else that waits for its turn. */

/** Requests that begin in one turn of the event loop; each takes some tenths of a millisecond. */
const perTurn = 32;

export class StartQueue {
  #waiting: (() => void)[] = [];

  /** Resolves in one of the next turns of the event loop, with few others, in order. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(this.#begin);
    });
  }

  readonly #begin = (): void => {
    for (const resolve of this.#waiting.splice(0, perTurn)) resolve();
    if (this.#waiting.length > 0) setImmediate(this.#begin);
  };
}
