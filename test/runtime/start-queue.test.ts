import { expect, test } from "bun:test";
import { StartQueue } from "../../src/runtime/start-queue.ts";

test("what comes at once begins in order, and lets others have their turn in between", async () => {
  const starts = new StartQueue();
  const begun: number[] = [];
  const seen = new Set<number>();
  let over = false;
  const other = () => {
    seen.add(begun.length);
    if (!over) setImmediate(other);
  };
  setImmediate(other);
  await Promise.all(
    Array.from({ length: 1000 }, (_, i) => starts.next().then(() => begun.push(i))),
  );
  over = true;
  expect(begun).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(seen.size).toBeGreaterThan(20);
  await starts.next(); // as soon as nobody waits
});
