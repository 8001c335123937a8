/** The prefix cache against a model of itself: a map from token prefixes, and an order of use. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { PagePool } from "../../src/engine/pages.ts";
import { PrefixCache } from "../../src/engine/prefix-cache.ts";

const pageTokens = 16;

/** Tokens of pages filled with one letter each: "ab" is 16 tokens a, then 16 tokens b. */
function tokensOf(text: string): Int32Array {
  return Int32Array.from({ length: text.length * pageTokens }, (_, i) =>
    text.charCodeAt(Math.floor(i / pageTokens)),
  );
}

/** Computes what is not cached, as a request would, and keeps all of it locked. */
function hold(cache: PrefixCache, text: string): Int32Array | null {
  const tokens = tokensOf(text);
  const pages = new Int32Array(text.length);
  let count = cache.lockPrefix(tokens, text.length, pages);
  for (; count < text.length; count++) {
    const page = cache.take();
    if (page < 0) {
      cache.unlock(pages, count);
      return null;
    }
    const parent = count === 0 ? -1 : pages[count - 1]!;
    pages[count] = cache.insert(parent, tokens, count * pageTokens, page);
  }
  return pages;
}

const matched = (cache: PrefixCache, text: string) => cache.matchCount(tokensOf(text), text.length);

const fresh = () => new PrefixCache(new PagePool(6, pageTokens), true);

describe("a cache of six pages", () => {
  test("shares prefixes while they are in use and after", () => {
    const cache = fresh();
    const first = hold(cache, "abc")!;
    const second = hold(cache, "abd")!;
    expect(second.subarray(0, 2)).toEqual(first.subarray(0, 2));
    expect(cache.availableCount).toBe(2);
    cache.checkIntegrity([first, second], []);
    cache.unlock(first, 3);
    expect(matched(cache, "abc")).toBe(3);
    expect(cache.availableCount).toBe(3);
    cache.unlock(second, 3);
    expect(cache.availableCount).toBe(6);
    cache.checkIntegrity([], []);
  });

  test("evicts the least recently used leaf, never a page in use, never a parent before its child", () => {
    const cache = fresh();
    for (const text of ["ab", "ac", "x"]) cache.unlock(hold(cache, text)!, text.length);
    const used = hold(cache, "ac")!; // ab is older now, and x newer than ab
    expect(cache.pool.freeCount).toBe(2);
    const taken = [cache.take(), cache.take(), cache.take()];
    expect(matched(cache, "ab")).toBe(1); // b is gone, a is in use by ac
    expect(matched(cache, "x")).toBe(1);
    taken.push(cache.take());
    expect(matched(cache, "x")).toBe(0);
    expect(cache.take()).toBe(-1);
    cache.checkIntegrity([used], [Int32Array.from(taken)]);
  });

  test("gives the page that is there already to whoever computed the same tokens", () => {
    const cache = fresh();
    const first = hold(cache, "a")!;
    const spare = cache.take();
    expect(cache.insert(-1, tokensOf("a"), 0, spare)).toBe(first[0]!);
    cache.checkIntegrity([first, first], [Int32Array.of(spare)]);
  });

  test("is emptied by a flush, but for what is in use", () => {
    const cache = fresh();
    const used = hold(cache, "ab")!;
    cache.unlock(hold(cache, "abcd")!, 4);
    cache.flush();
    expect(matched(cache, "abcd")).toBe(2);
    cache.unlock(used, 2);
    cache.flush();
    expect(cache.pool.freeCount).toBe(6);
    cache.checkIntegrity([], []);
  });

  test("holds nothing when it is disabled", () => {
    const cache = new PrefixCache(new PagePool(6, pageTokens), false);
    expect(matched(cache, "a")).toBe(0);
    expect(cache.lockPrefix(tokensOf("a"), 1, new Int32Array(1))).toBe(0);
  });

  test("its integrity check finds wrong locks, parents and lost pages", () => {
    const cache = fresh();
    const pages = hold(cache, "ab")!;
    expect(() => cache.checkIntegrity([], [])).toThrow(/has 1 locks; its requests hold 0/);
    expect(() => cache.checkIntegrity([pages, pages], [])).toThrow(/hold 2/);
    expect(() => cache.checkIntegrity([pages.toReversed()], [])).toThrow(/another parent/);
    const own = cache.take();
    expect(() => cache.checkIntegrity([pages], [])).toThrow(/neither free nor held/);
    expect(() => cache.checkIntegrity([pages, Int32Array.of(own)], [])).toThrow(/not cached/);
  });
});

/** What a cache should hold: every cached prefix, by the time of its last unlock. */
class Model {
  readonly lastUse = new Map<string, number>();
  readonly locks = new Map<string, number>();
  clock = 0;
  evictions = 0;

  longest(text: string): number {
    let count = 0;
    while (count < text.length && this.lastUse.has(text.slice(0, count + 1))) count++;
    return count;
  }

  lock(text: string, by: 1 | -1): void {
    for (let end = text.length; end > 0; end--) {
      const prefix = text.slice(0, end);
      this.locks.set(prefix, (this.locks.get(prefix) ?? 0) + by);
      this.lastUse.set(prefix, this.clock++);
    }
  }

  /** Forgets the oldest unlocked prefixes until `size` pages hold the rest. */
  shrink(size: number): void {
    const unlocked = [...this.lastUse.keys()].filter((prefix) => !this.locks.get(prefix));
    unlocked.sort((a, b) => this.lastUse.get(a)! - this.lastUse.get(b)!);
    for (; this.lastUse.size > size; this.evictions++) this.lastUse.delete(unlocked.shift()!);
  }
}

test("any sequence of holds and releases does as the model does", () => {
  const action = fc.oneof(
    fc.stringMatching(/^[abc]{1,5}$/).map((text) => ({ text })),
    fc.nat(100).map((which) => ({ which })),
  );
  let evictions = 0;
  const property = (size: number, actions: readonly ({ text: string } | { which: number })[]) => {
    const cache = new PrefixCache(new PagePool(size, pageTokens), true);
    const model = new Model();
    const held: { text: string; pages: Int32Array }[] = [];
    for (const next of actions) {
      if ("text" in next) {
        const { text } = next;
        expect(matched(cache, text)).toBe(model.longest(text));
        const pages = hold(cache, text);
        if (!pages) break; // all pages in use: what was tried has changed the cache but not the model
        held.push({ text, pages });
        model.lock(text, 1);
        model.shrink(size);
      } else if (held.length > 0) {
        const { text, pages } = held.splice(next.which % held.length, 1)[0]!;
        cache.unlock(pages, pages.length);
        model.lock(text, -1);
      }
      const tables = held.map(({ pages }) => pages);
      cache.checkIntegrity(tables, []);
      expect(cache.pool.size - cache.pool.freeCount).toBe(model.lastUse.size);
    }
    evictions += model.evictions;
  };
  const sizes = fc.integer({ min: 3, max: 12 });
  fc.assert(fc.property(sizes, fc.array(action, { maxLength: 40 }), property), {
    numRuns: 2000,
    seed: 1,
  });
  expect(evictions).toBeGreaterThan(100);
});
