/** Proves that arrivals are read in order, each with the time at which it came, and not before the sockets rest. */
import { expect, test } from "bun:test";
import { Inbox } from "../../../src/bench/transport/inbox.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("reads in order with the stamps of arrival", async () => {
  const inbox = new Inbox();
  const read: number[] = [];
  for (const atMs of [3, 1, 2]) inbox.push({ atMs, read: () => read.push(atMs) });
  expect(read).toEqual([]);
  while (read.length === 0) await turn();
  expect(read).toEqual([3, 1, 2]);
});

test("an arrival that comes while others are read waits for its turn", async () => {
  const inbox = new Inbox();
  const read: string[] = [];
  const late = { atMs: 2, read: () => read.push("late") };
  inbox.push({
    atMs: 1,
    read: () => {
      inbox.push(late);
      read.push("first");
    },
  });
  while (read.length < 2) await turn();
  expect(read).toEqual(["first", "late"]);
});
