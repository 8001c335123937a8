/** The pool of KV cache pages. A page holds the keys and values of `pageTokens` consecutive tokens. */

export class PagePool {
  readonly size: number;
  readonly pageTokens: number;
  /** A stack: the first `#freeCount` entries are the free pages. */
  readonly #free: Int32Array;
  readonly #taken: Uint8Array;
  #freeCount: number;

  /** @param size Pages in the pool; they are numbered from 0. */
  constructor(size: number, pageTokens: number) {
    this.size = size;
    this.pageTokens = pageTokens;
    this.#free = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#taken = new Uint8Array(size);
    this.#freeCount = size;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Takes a page; -1 when none is free. */
  take(): number {
    if (this.#freeCount === 0) return -1;
    const page = this.#free[--this.#freeCount]!;
    this.#taken[page] = 1;
    return page;
  }

  /** Returns a page to the pool. One that was not taken is a bug of the caller. */
  release(page: number): void {
    if (this.#taken[page] !== 1) throw new Error(`KV page ${page} is released but was not taken`);
    this.#taken[page] = 0;
    this.#free[this.#freeCount++] = page;
  }

  /**
   * Checks that every page is either free or in `held` once, and that the pool's own records agree. O(pages).
   * @throws Error that names the first page that is lost, held twice or out of range.
   */
  checkIntegrity(held: Iterable<number>): void {
    const uses = new Uint8Array(this.size);
    const use = (page: number, by: "free" | "held") => {
      if (page < 0 || page >= this.size) throw new Error(`KV page ${page} (${by}) does not exist`);
      if (uses[page]) throw new Error(`KV page ${page} (${by}) is in use twice`);
      if (this.#taken[page] !== (by === "held" ? 1 : 0)) {
        throw new Error(`KV page ${page} is ${by}, which contradicts the pool's records`);
      }
      uses[page] = 1;
    };
    for (const page of this.#free.subarray(0, this.#freeCount)) use(page, "free");
    for (const page of held) use(page, "held");
    const lost = uses.indexOf(0);
    if (lost >= 0) throw new Error(`KV page ${lost} is neither free nor held`);
  }
}
