/** Files that are damaged, foreign, newer, full or out of reach: nothing is lost silently, and each has its sentence. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../src/store/database.ts";
import { Store } from "../../src/store/index.ts";
import { migrate, steps } from "../../src/store/schema.ts";
import { UserError } from "../../src/user-error.ts";
import { runProgram } from "../support/run.ts";
import { newPath, openQuietly, someRun } from "./support.ts";

/** A closed store with so many runs. */
function filled(runs = 200): string {
  const path = newPath();
  const store = openQuietly(path);
  for (let i = 0; i < runs; i++) store.addRun(someRun(i, { recordsJsonl: `${i}\n`.repeat(3000) }));
  store.close();
  return path;
}

function opened(path: string) {
  const said: string[] = [];
  const store = Store.open(path, (line) => said.push(line));
  return { store, said };
}

const asideOf = (path: string) =>
  readdirSync(dirname(path)).filter((name) => name.includes(".damaged-"));

const damages: Record<string, (path: string) => void> = {
  truncated: (path) => truncateSync(path, Math.floor(readFileSync(path).length / 2)),
  "cut within its header": (path) => truncateSync(path, 60),
  garbage: (path) => writeFileSync(path, "no database at all ".repeat(1000)),
  "zeros in the middle": (path) => {
    const bytes = readFileSync(path);
    bytes.fill(0, 4096, 4096 * 12);
    writeFileSync(path, bytes);
  },
};

test.each(Object.entries(damages))("a file that is %s is set aside, whole", (_, damage) => {
  const path = filled();
  damage(path);
  const damaged = readFileSync(path);
  const { store, said } = opened(path);
  expect(store.runs()).toEqual([]);
  store.addRun(someRun(1));
  store.close();
  const [aside] = asideOf(path);
  expect(said).toEqual([
    `The results in ${path} were damaged; the file is now ${join(dirname(path), aside!)}, and a new one begins.`,
  ]);
  expect(readFileSync(join(dirname(path), aside!)).equals(damaged)).toBeTrue();
  expect(openQuietly(path).runs().length).toBe(1);
});

test("several processes that find a damaged file set it aside once, and lose no run of the new one", async () => {
  const path = filled(3);
  writeFileSync(path, "garbage ".repeat(1000));
  const child = join(import.meta.dir, "child.ts");
  const ended = await Promise.all(
    ["a", "b", "c", "d"].map((name) => runProgram([process.execPath, child, path, name, "5"])),
  );
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(() => [0, ""]));
  expect(
    ended
      .map(({ stdout }) => stdout)
      .join("")
      .match(/SAID/g),
  ).toEqual(["SAID"]);
  expect(asideOf(path).length).toBe(1);
  expect(openQuietly(path).runs().length).toBe(20);
});

test("what a killed process left in the write-ahead log is there again", async () => {
  const path = newPath();
  const child = join(import.meta.dir, "child.ts");
  const { code } = await runProgram([process.execPath, child, path, "a", "1", "killed"]);
  expect(code).not.toBe(0);
  expect(existsSync(`${path}-wal`)).toBeTrue();
  expect(openQuietly(path).runs().length).toBe(1);
});

test("a log that is stale, garbage or without its file does no harm", () => {
  const path = newPath();
  const store = openQuietly(path);
  store.addRun(someRun(1));
  const stale = `${path}.kept`;
  copyFileSync(`${path}-wal`, stale);
  store.close();

  copyFileSync(stale, `${path}-wal`);
  expect(openQuietly(path).runs().length).toBe(1);

  const other = filled(2);
  writeFileSync(`${other}-wal`, "garbage ".repeat(1000));
  writeFileSync(`${other}-shm`, "garbage ".repeat(10));
  expect(openQuietly(other).runs().length).toBe(2);

  rmSync(other);
  expect(openQuietly(other).runs()).toEqual([]);
});

test("an older schema is brought to the newest with what it holds; a newer one is refused and left alone", () => {
  const path = filled(3);
  const older = new DatabaseSync(path);
  const next = [...steps, "ALTER TABLE runs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'"];
  migrate(older, path, next);
  expect(older.prepare("SELECT count(*) AS n, min(colour) AS c FROM runs").get()).toMatchObject({
    n: 3,
    c: "red",
  });
  older.close();
  const before = readFileSync(path);
  expect(() => openQuietly(path)).toThrow(
    new UserError(
      `${path} was written by a newer servebench (schema ${steps.length + 1}; this one knows ${steps.length}): ` +
        "use that one, or set SERVEBENCH_HOME to another folder.",
    ),
  );
  expect(readFileSync(path).equals(before)).toBeTrue();
});

test("a step that fails leaves the older schema", () => {
  const path = filled(1);
  const db = new DatabaseSync(path);
  expect(() => migrate(db, path, [...steps, "CREATE TABLE t (x); NONSENSE"])).toThrow("NONSENSE");
  db.close();
  expect(openQuietly(path).runs().length).toBe(1);
});

test("a database of another program is refused and left alone", () => {
  const path = newPath();
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path);
  db.exec("CREATE TABLE photos (name TEXT)");
  db.close();
  expect(() => openQuietly(path)).toThrow(`${path} is a database of another program`);
  expect(asideOf(path)).toEqual([]);
});

test("a full disk is a sentence, and what was there stays", () => {
  const path = filled(2);
  const db = openDatabase(path, () => {});
  const { page_count: pages } = db.prepare("PRAGMA page_count").get()!;
  db.exec(`PRAGMA max_page_count = ${Number(pages) + 1}`); // SQLite's own SQLITE_FULL
  const store = new Store(db, path);
  const large = someRun(9, { fields: { text: "x".repeat(100_000) } });
  expect(() => store.addRun(large)).toThrow(
    new UserError(
      `${path}: the disk is full: make room; what could not be saved is not in it, all before is.`,
    ),
  );
  expect(store.runs().length).toBe(2);
  db.exec(`PRAGMA max_page_count = ${Number(pages) + 1000}`);
  expect(store.addRun(large).label).toBe("r3");
});

test("records that are damaged are a sentence", () => {
  const path = filled(1);
  const db = new DatabaseSync(path);
  db.exec("UPDATE records SET gzip = x'00'");
  db.close();
  expect(() => openQuietly(path).records(1)).toThrow(
    new UserError(`${path}: the records of run 1 are damaged.`),
  );
});

test("a path that cannot be a file is a sentence", () => {
  const path = newPath();
  mkdirSync(path, { recursive: true });
  expect(() => openQuietly(path)).toThrow(`${path}: it cannot be opened: see whether it is a file`);
  writeFileSync(`${path}/file`, "");
  expect(() => openQuietly(`${path}/file/results.sqlite`)).toThrow("cannot make the folder");
});

test.skipIf(process.getuid?.() === 0)("a file that may not be written is a sentence", () => {
  const path = filled(1);
  chmodSync(path, 0o444);
  expect(() => openQuietly(path).addRun(someRun(5))).toThrow(`${path}: it cannot be written`);
});
