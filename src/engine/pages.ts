/** The pool of KV cache pages. A page holds the keys and values of 16 consecutive tokens of one request. */

export const pageTokens = 16;

export class PagePool {
  readonly size: number;
  /** A stack: the first `#freeCount` entries are the free pages. */
  readonly #free: Int32Array;
  readonly #taken: Uint8Array;
  #freeCount: number;

  /** @param size Pages in the pool; they are numbered from 0. */
  constructor(size: number) {
    this.size = size;
    this.#free = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#taken = new Uint8Array(size);
    this.#freeCount = size;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Takes `count` pages, or none at all (null) when fewer are free. */
  take(count: number): Int32Array | null {
    if (count > this.#freeCount) return null;
    this.#freeCount -= count;
    const pages = this.#free.slice(this.#freeCount, this.#freeCount + count);
    for (const page of pages) this.#taken[page] = 1;
    return pages;
  }

  /** Returns pages to the pool. A page that was not taken is a bug of the caller. */
  release(pages: Int32Array): void {
    for (const page of pages) {
      if (this.#taken[page] !== 1) throw new Error(`KV page ${page} is released but was not taken`);
      this.#taken[page] = 0;
      this.#free[this.#freeCount++] = page;
    }
  }

  /**
   * Checks that every page is either free or in exactly one of `holders`, and that the pool's own records
   * agree. O(pages). @throws Error that names the first page that is lost, shared or out of range.
   */
  checkIntegrity(holders: Iterable<Int32Array>): void {
    const uses = new Uint8Array(this.size);
    const use = (page: number, by: string) => {
      if (page < 0 || page >= this.size) throw new Error(`KV page ${page} (${by}) does not exist`);
      if (uses[page]) throw new Error(`KV page ${page} (${by}) is in use twice`);
      if (this.#taken[page] !== (by === "held" ? 1 : 0)) {
        throw new Error(`KV page ${page} is ${by}, which contradicts the pool's records`);
      }
      uses[page] = 1;
    };
    for (const page of this.#free.subarray(0, this.#freeCount)) use(page, "free");
    for (const pages of holders) for (const page of pages) use(page, "held");
    const lost = uses.indexOf(0);
    if (lost >= 0) throw new Error(`KV page ${lost} is neither free nor held by a request`);
  }
}

/** Pages that hold `tokens` tokens. */
export function pagesFor(tokens: number): number {
  return Math.ceil(tokens / pageTokens);
}
