/**
 * The radix tree of computed prefixes: requests that begin with the same tokens share the KV pages of that
 * beginning, also after the one that computed them has ended (SGLang's RadixAttention, Zheng et al. 2024).
 *
 * Every node is one full page: its tokens and, by its parent, all tokens before them. So a node is its page's
 * number, its fields lie in arrays indexed by page, matching ends at page borders, and no node ever splits.
 *
 * A node is locked while requests use it. Who locks a page locks all pages before it, and unlocks them last to
 * first, so that in the list of unlocked nodes, in order of unlocking, children stand before their parents: its
 * head is always a leaf, and the least recently used one. Eviction takes the head.
 */
import type { PagePool } from "./pages.ts";

const none = -1;

export class PrefixCache {
  readonly pool: PagePool;
  /** False: nothing is ever shared; pages only pass through to the pool. */
  readonly enabled: boolean;
  /** Pages given up to make room, since the start. */
  evictions = 0;

  readonly #pageTokens: number;

  // Fields of a node, by page.
  readonly #cached: Uint8Array;
  readonly #tokens: Int32Array;
  readonly #parent: Int32Array;
  readonly #locks: Int32Array;

  // Children are found by a hash of parent and tokens: chains of pages.
  readonly #buckets: Int32Array;
  readonly #nextInBucket: Int32Array;

  // The unlocked nodes: a ring through the entry `size`, oldest first.
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  readonly #ring: number;
  #unlockedCount = 0;

  constructor(pool: PagePool, enabled: boolean) {
    const { size, pageTokens } = pool;
    this.pool = pool;
    this.#pageTokens = pageTokens;
    this.enabled = enabled;
    this.#cached = new Uint8Array(size);
    this.#tokens = new Int32Array(size * pageTokens);
    this.#parent = new Int32Array(size);
    this.#locks = new Int32Array(size);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(2 * size))).fill(none);
    this.#nextInBucket = new Int32Array(size);
    this.#newer = new Int32Array(size + 1).fill(size);
    this.#older = new Int32Array(size + 1).fill(size);
    this.#ring = size;
  }

  /** Pages that `take` can give: free ones and cached ones that no request uses. */
  get availableCount(): number {
    return this.pool.freeCount + this.#unlockedCount;
  }

  /** Cached pages that no request uses. */
  get evictableCount(): number {
    return this.#unlockedCount;
  }

  /** Takes a page, evicting the least recently used one if none is free; -1 if every page is in use. */
  take(): number {
    if (this.pool.freeCount === 0 && this.#unlockedCount > 0) {
      this.#evict();
      this.evictions++;
    }
    return this.pool.take();
  }

  /** Gives back a page that `take` gave and that is not in the tree. */
  release(page: number): void {
    this.pool.release(page);
  }

  /** How many of the first `pageCount` pages of `tokens` are cached. */
  matchCount(tokens: Int32Array, pageCount: number): number {
    let parent = none;
    for (let i = 0; i < pageCount; i++) {
      parent = this.#find(parent, tokens, i * this.#pageTokens);
      if (parent === none) return i;
    }
    return pageCount;
  }

  /** Locks what is cached of the first `pageCount` pages of `tokens`, writes the pages to `pages`, returns their number. */
  lockPrefix(tokens: Int32Array, pageCount: number, pages: Int32Array): number {
    let parent = none;
    for (let i = 0; i < pageCount; i++) {
      const page = this.#find(parent, tokens, i * this.#pageTokens);
      if (page === none) return i;
      this.#lock(page);
      pages[i] = page;
      parent = page;
    }
    return pageCount;
  }

  /** Unlocks the first `count` of `pages`, which their request has locked. */
  unlock(pages: Int32Array, count: number): void {
    for (let i = count - 1; i >= 0; i--) {
      const page = pages[i]!;
      if (--this.#locks[page]! === 0) this.#append(page);
    }
  }

  /**
   * Adds a page whose keys and values are computed, locked for its request. Returns the page that now stands for
   * these tokens: another one if they are cached already; then `page` stays the caller's to release.
   * @param parent The request's page before it, in the tree and locked; -1 for its first.
   * @param at Index of the page's first token in `tokens`.
   */
  insert(parent: number, tokens: Int32Array, at: number, page: number): number {
    const present = this.#find(parent, tokens, at);
    if (present !== none) {
      this.#lock(present);
      return present;
    }
    const bucket = this.#bucketOf(parent, tokens, at);
    this.#cached[page] = 1;
    this.#parent[page] = parent;
    this.#locks[page] = 1;
    this.#tokens.set(tokens.subarray(at, at + this.#pageTokens), page * this.#pageTokens);
    this.#nextInBucket[page] = this.#buckets[bucket]!;
    this.#buckets[bucket] = page;
    return page;
  }

  /** Empties the tree of all that no request uses. */
  flush(): void {
    while (this.#unlockedCount > 0) this.#evict();
  }

  #find(parent: number, tokens: Int32Array, at: number): number {
    if (!this.enabled) return none;
    let page = this.#buckets[this.#bucketOf(parent, tokens, at)]!;
    while (page !== none && !this.#isChild(page, parent, tokens, at))
      page = this.#nextInBucket[page]!;
    return page;
  }

  #isChild(page: number, parent: number, tokens: Int32Array, at: number): boolean {
    if (this.#parent[page] !== parent) return false;
    for (let i = 0; i < this.#pageTokens; i++) {
      if (this.#tokens[page * this.#pageTokens + i] !== tokens[at + i]) return false;
    }
    return true;
  }

  #bucketOf(parent: number, tokens: Int32Array, at: number): number {
    let hash = parent;
    for (let i = 0; i < this.#pageTokens; i++) {
      hash = Math.imul(hash ^ tokens[at + i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash & (this.#buckets.length - 1);
  }

  #lock(page: number): void {
    if (this.#locks[page]!++ === 0) this.#unlink(page);
  }

  /** Puts a page at the newest end of the unlocked ones. */
  #append(page: number): void {
    const newest = this.#older[this.#ring]!;
    this.#older[page] = newest;
    this.#newer[page] = this.#ring;
    this.#newer[newest] = page;
    this.#older[this.#ring] = page;
    this.#unlockedCount++;
  }

  #unlink(page: number): void {
    this.#newer[this.#older[page]!] = this.#newer[page]!;
    this.#older[this.#newer[page]!] = this.#older[page]!;
    this.#unlockedCount--;
  }

  /** Frees the least recently used unlocked page. */
  #evict(): void {
    const page = this.#newer[this.#ring]!;
    this.#unlink(page);
    const bucket = this.#bucketOf(this.#parent[page]!, this.#tokens, page * this.#pageTokens);
    if (this.#buckets[bucket] === page) this.#buckets[bucket] = this.#nextInBucket[page]!;
    else {
      let before = this.#buckets[bucket]!;
      while (this.#nextInBucket[before] !== page) before = this.#nextInBucket[before]!;
      this.#nextInBucket[before] = this.#nextInBucket[page]!;
    }
    this.#cached[page] = 0;
    this.pool.release(page);
  }

  /**
   * Checks tree, locks and pool against the requests: `locked` are the tables of cached pages that requests hold,
   * `owned` the pages that are theirs alone. O(pages). @throws Error that names what disagrees.
   */
  checkIntegrity(locked: readonly Int32Array[], owned: readonly Int32Array[]): void {
    const locks = new Int32Array(this.pool.size);
    for (const table of locked) {
      let parent = none;
      for (const page of table) {
        if (!this.#cached[page]) throw new Error(`KV page ${page} is locked but not cached`);
        if (this.#parent[page] !== parent) throw new Error(`KV page ${page} has another parent`);
        locks[page]!++;
        parent = page;
      }
    }
    const unlocked = this.#checkRing();
    const cached: number[] = [];
    for (let page = 0; page < this.pool.size; page++) {
      if (!this.#cached[page]) continue;
      cached.push(page);
      this.#checkNode(page, locks[page]!, unlocked);
    }
    this.pool.checkIntegrity([...cached, ...owned.flatMap((pages) => [...pages])]);
  }

  #checkNode(page: number, locks: number, unlocked: ReadonlySet<number>): void {
    const parent = this.#parent[page]!;
    if (this.#locks[page] !== locks) {
      throw new Error(`KV page ${page} has ${this.#locks[page]} locks; its requests hold ${locks}`);
    }
    if (unlocked.has(page) !== (locks === 0))
      throw new Error(`KV page ${page}: lock and list disagree`);
    if (parent !== none && !this.#cached[parent])
      throw new Error(`KV page ${page} has lost its parent`);
    if (this.#find(parent, this.#tokens, page * this.#pageTokens) !== page) {
      throw new Error(`KV page ${page} cannot be found by its tokens`);
    }
  }

  /** The unlocked pages; no parent may stand before its child. */
  #checkRing(): Set<number> {
    const seen = new Set<number>();
    for (let page = this.#newer[this.#ring]!; page !== this.#ring; page = this.#newer[page]!) {
      if (seen.has(this.#parent[page]!)) throw new Error(`KV page ${page} stands after its parent`);
      if (seen.has(page)) throw new Error(`KV page ${page} is listed twice`);
      seen.add(page);
    }
    if (seen.size !== this.#unlockedCount) throw new Error("the count of unlocked pages is wrong");
    return seen;
  }
}
