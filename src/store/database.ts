/** Opens the file, whatever state it is in and whoever else opens it. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../user-error.ts";
import { explained, isBusy, isDamage } from "./errors.ts";
import { migrate } from "./schema.ts";

/** How long to wait for other processes; a transaction of theirs takes milliseconds, with large records a second. */
const patienceMs = 20_000;

/**
 * @param say Is told when a damaged file was set aside.
 * @throws UserError when the file cannot be opened, or is of a newer or another program.
 */
export function openDatabase(path: string, say: (line: string) => void): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError(
      `cannot make the folder '${dirname(path)}' (${why}); set SERVEBENCH_HOME to one that can be written.`,
      { cause: error },
    );
  }
  try {
    return openSound(path);
  } catch (error) {
    if (!isDamage(error)) throw explained(error, path);
  }
  try {
    return replaceDamaged(path, say);
  } catch (error) {
    throw explained(error, path);
  }
}

function openSound(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: patienceMs });
  try {
    withPatience(() => db.exec("PRAGMA journal_mode = WAL"));
    // What a crash of the machine may lose are the last runs, whose files are still there; a killed process loses nothing.
    db.exec("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
    migrate(db, path);
    // Not the records: reading them all takes seconds once there are many.
    for (const table of ["sessions", "runs", "settings"]) {
      const found = Object.values(db.prepare(`PRAGMA quick_check(${table})`).get()!)[0];
      if (found !== "ok") throw new Error(`malformed: ${String(found)}`);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLite does not wait by itself when two processes change the journal's mode at once. */
function withPatience(act: () => void): void {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return act();
    } catch (error) {
      if (!isBusy(error) || performance.now() > endMs) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** One process at a time: a second one would set aside what the first has made anew. The lock's file stays, as others may wait at it. */
function replaceDamaged(path: string, say: (line: string) => void): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: patienceMs });
  try {
    withPatience(() => lock.exec("BEGIN EXCLUSIVE"));
    try {
      return openSound(path);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
    renameSync(path, aside);
    // They hold the last changes: whoever repairs the file needs them beside it.
    for (const part of ["-wal", "-shm"]) {
      if (existsSync(path + part)) renameSync(path + part, aside + part);
    }
    const fresh = openSound(path);
    say(`The results in ${path} were damaged; the file is now ${aside}, and a new one begins.`);
    return fresh;
  } finally {
    lock.close();
  }
}
