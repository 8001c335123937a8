/** Jobs advance by turns: short ones end while long ones go on, and none is left unfinished. */
import { expect, test } from "bun:test";
import { type Job, Turns } from "../../src/tokenizer/turns.ts";

/** Yields `steps` times, then says that it is done. */
function* job(steps: number, done: () => void): Job {
  for (let i = 0; i < steps; i++) yield;
  done();
}

test("a short job ends before an endless one, and messages of the thread come through", async () => {
  const turns = new Turns();
  const stop = new AbortController();
  const ended: string[] = [];
  const all = Promise.withResolvers<void>();
  function* endless(): Job {
    while (!stop.signal.aborted) yield;
    ended.push("long");
    all.resolve();
  }
  turns.add(endless());
  for (const name of ["a", "b"]) turns.add(job(3, () => ended.push(name)));
  await new Promise((resolve) => setTimeout(resolve, 1));
  while (ended.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise<void>((resolve) => turns.add(job(1, resolve)));
  stop.abort();
  await all.promise;
  expect(ended).toEqual(["a", "b", "long"]);
});
