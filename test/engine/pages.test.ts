import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { PagePool, pagesFor } from "../../src/engine/pages.ts";

test("pages hold 16 tokens", () => {
  expect([0, 1, 16, 17, 32, 33].map(pagesFor)).toEqual([0, 1, 1, 2, 2, 3]);
});

test("a pool gives each page once and nothing when too few are free", () => {
  const pool = new PagePool(5);
  const first = pool.take(3)!;
  expect(pool.take(3)).toBeNull();
  expect(pool.freeCount).toBe(2);
  const second = pool.take(2)!;
  expect([...first, ...second].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  pool.release(first);
  pool.checkIntegrity([second]);
  expect(pool.freeCount).toBe(3);
});

test("any sequence of takes and releases keeps the pool whole", () => {
  const action = fc.record({ take: fc.boolean(), size: fc.nat(7), which: fc.nat(100) });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.array(action), (size, actions) => {
      const pool = new PagePool(size);
      const held: Int32Array[] = [];
      for (const { take, size: count, which } of actions) {
        if (take) {
          const pages = pool.take(count);
          expect(pages === null).toBe(count > pool.size - held.reduce((n, p) => n + p.length, 0));
          if (pages) held.push(pages);
        } else if (held.length > 0) {
          pool.release(held.splice(which % held.length, 1)[0]!);
        }
        pool.checkIntegrity(held);
      }
    }),
  );
});

test("the integrity check finds lost, shared and released pages", () => {
  const pool = new PagePool(4);
  const pages = pool.take(2)!;
  expect(() => pool.checkIntegrity([])).toThrow(/neither free nor held/);
  expect(() => pool.checkIntegrity([pages, pages])).toThrow(/in use twice/);
  expect(() => pool.checkIntegrity([pages, Int32Array.of(9)])).toThrow(/does not exist/);
  pool.release(pages);
  expect(() => pool.release(pages)).toThrow(/was not taken/);
  expect(() => pool.checkIntegrity([pages])).toThrow(
    /KV page \d is (free|in use)|contradicts|twice/,
  );
});
