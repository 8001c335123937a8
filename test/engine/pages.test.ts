import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { PagePool } from "../../src/engine/pages.ts";

test("any sequence of takes and releases keeps the pool whole", () => {
  const action = fc.record({ take: fc.boolean(), which: fc.nat(100) });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.array(action), (size, actions) => {
      const pool = new PagePool(size, 16);
      const held: number[] = [];
      for (const { take, which } of actions) {
        if (take) {
          const page = pool.take();
          expect(page < 0).toBe(held.length === size);
          if (page >= 0) held.push(page);
        } else if (held.length > 0) {
          pool.release(held.splice(which % held.length, 1)[0]!);
        }
        expect(pool.freeCount).toBe(size - held.length);
        pool.checkIntegrity(held);
      }
    }),
  );
});

test("the integrity check finds lost, shared and released pages", () => {
  const pool = new PagePool(4, 16);
  const pages = [pool.take(), pool.take()];
  expect(() => pool.checkIntegrity([])).toThrow(/neither free nor held/);
  expect(() => pool.checkIntegrity([...pages, ...pages])).toThrow(/in use twice/);
  expect(() => pool.checkIntegrity([...pages, 9])).toThrow(/does not exist/);
  for (const page of pages) pool.release(page);
  expect(() => pool.release(pages[0]!)).toThrow(/was not taken/);
  expect(() => pool.checkIntegrity(pages)).toThrow(/KV page \d .*(twice|contradicts)/);
});
