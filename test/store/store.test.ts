/** What is put into a store comes out of it, whoever else is at it. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { dataFolder } from "../../src/store/index.ts";
import { runProgram } from "../support/run.ts";
import { newPath, openQuietly, someRun } from "./support.ts";

test("a run comes back as it was, also in another process's connection", () => {
  const path = newPath();
  const store = openQuietly(path);
  const run = someRun(4, {
    fields: { request_rate: Infinity, low: -Infinity, name: "é😀\u0000", list: [1.5, null] },
    server: { cache: true },
    recordsJsonl: '{"index":0}\n{"index":1}\n',
  });
  const added = store.addRun(run);
  const { recordsJsonl, ...plain } = run;
  expect(added).toEqual({ ...plain, id: 1, label: "r1", note: "", hasRecords: true });
  const other = openQuietly(path);
  expect(other.runs()).toEqual([added]);
  expect(other.records(1)).toBe(recordsJsonl as string);
  expect(other.records(2)).toBeNull();
});

test("records may come compressed, and may be large", () => {
  const store = openQuietly(newPath());
  const text = `{"index":0,"itlsS":[0.01]}\n`.repeat(200_000);
  const { id } = store.addRun(someRun(1, { recordsJsonl: gzipSync(text) }));
  expect(store.records(id)).toBe(text);
});

test("labels count per session, also past deleted and renamed runs", () => {
  const store = openQuietly(newPath());
  const [a, b] = [1, 2].map((n) => store.addRun(someRun(n)));
  expect(store.addRun(someRun(1, { session: "t" })).label).toBe("r1");
  expect([a!.label, b!.label]).toEqual(["r1", "r2"]);
  store.relabel(a!.id, "r3");
  expect(store.deleteRuns([b!.id, 99])).toBe(1);
  expect(store.addRun(someRun(4)).label).toBe("r4");
  expect(store.addRun(someRun(5, { label: "before" })).label).toBe("before");
  expect(() => store.relabel(a!.id, "before")).toThrow(
    "the label 'before' is taken in session s: choose another, or rename that run first.",
  );
  expect(() => store.addRun(someRun(6, { label: "before" }))).toThrow("is taken in session s");
  expect(() => store.relabel(a!.id, "two words")).toThrow("'two words' is no label");
  expect(store.runs({ session: "s" }).map(({ label }) => label)).toEqual(["r3", "r4", "before"]);
});

test("the same line is the same run: importing again adds what was missing only", () => {
  const store = openQuietly(newPath());
  const first = store.addRun(someRun(1));
  const again = store.addRun(someRun(1, { at: "later", recordsJsonl: "{}\n" }));
  expect(again).toEqual({ ...first, hasRecords: true });
  store.addRun(someRun(1, { recordsJsonl: "other\n" }));
  expect(store.records(first.id)).toBe("{}\n");
  expect(store.addRun(someRun(2)).label).toBe("r2");
});

test("deleting a run deletes its records, and a failed transaction leaves nothing", () => {
  const path = newPath();
  const store = openQuietly(path);
  const { id } = store.addRun(someRun(1, { recordsJsonl: "{}\n" }));
  store.deleteRuns([id]);
  expect(store.records(id)).toBeNull();
  expect(() => store.addRun(someRun(2, { session: "new", label: "" }))).toThrow("is no label");
  expect(store.sessions().map(({ name }) => name)).toEqual(["s"]);
});

test("sessions: new ones are named by the day, the last used is last, settings stay", () => {
  const path = newPath();
  const store = openQuietly(path);
  const day = new Date().toISOString().slice(0, 10);
  expect(store.openSession()).toBe(day);
  expect(store.openSession()).toBe(`${day}-2`);
  store.setSetting(day, "seed", "1");
  store.setSetting(day, "seed", "2");
  store.setSetting(day, "rate", "4");
  store.setSetting(day, "rate", null);
  store.openSession("tuning batch");
  store.addRun(someRun(1, { session: "tuning batch" }));
  store.close();
  const again = openQuietly(path);
  again.openSession(day);
  expect(again.settings(day)).toEqual({ seed: "2" });
  expect(again.getSetting(day, "rate")).toBeNull();
  expect(again.sessions().map(({ name, runs }) => [name, runs])).toEqual([
    [`${day}-2`, 0],
    ["tuning batch", 1],
    [day, 0],
  ]);
  expect(() => again.openSession("a\u001b[2J")).toThrow("cannot name a session");
});

test("runs have notes", () => {
  const store = openQuietly(newPath());
  const { id } = store.addRun(someRun(1));
  store.annotate(id, "after the fix");
  expect(store.runs({ ids: [id] })[0]!.note).toBe("after the fix");
});

const root = join(import.meta.dir, "../..");
const deno = join(root, "node_modules/@deno/linux-x64-glibc/deno");
const bun = [process.execPath];
const denoRun = [deno, "run", "--allow-all", "--no-check", "--quiet", "--no-config"];
const writers: readonly (readonly [string, readonly (readonly string[])[]])[] = [
  ["four processes", [bun, bun, bun, bun]],
  ["Bun and Deno", [bun, denoRun]],
];

test.each(writers.filter(([, words]) => words.every(([file]) => existsSync(file!))))(
  "%s write to one new file at once, and nothing is lost",
  async (_, processes) => {
    const path = newPath();
    const ended = await Promise.all(
      processes.map((words, i) =>
        runProgram([...words, join(import.meta.dir, "child.ts"), path, `p${i}`, "25"]),
      ),
    );
    expect(ended.map(({ stderr, code }) => [code, stderr])).toEqual(processes.map(() => [0, ""]));
    const labels = ended.flatMap(({ stdout }) => stdout.trim().split("\n"));
    const total = 25 * processes.length;
    expect(new Set(labels)).toEqual(new Set(Array.from({ length: total }, (__, i) => `r${i + 1}`)));
    const store = openQuietly(path);
    const runs = store.runs({ session: "shared" });
    expect(runs.length).toBe(total);
    expect(runs.every(({ fields }) => fields["request_rate"] === Infinity)).toBeTrue();
    for (const { id, fields } of runs) {
      expect(store.records(id)).toBe(`{"index":${Number(fields["run"])}}\n`.repeat(200));
    }
  },
);

test("the data folder follows SERVEBENCH_HOME, then XDG_DATA_HOME", () => {
  const before = { ...process.env };
  try {
    process.env["SERVEBENCH_HOME"] = "/x";
    expect(dataFolder()).toBe("/x");
    delete process.env["SERVEBENCH_HOME"];
    process.env["XDG_DATA_HOME"] = "/data";
    expect(dataFolder()).toBe("/data/servebench");
    process.env["XDG_DATA_HOME"] = "relative";
    expect(dataFolder()).toEndWith("/.local/share/servebench");
  } finally {
    for (const name of ["SERVEBENCH_HOME", "XDG_DATA_HOME"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});
