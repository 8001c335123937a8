import type { DatabaseSync } from "node:sqlite";

/**
 * Does all of it or, after an error, nothing; what is read is of one moment.
 * @param kind IMMEDIATE waits for other writers first; DEFERRED is for reading alone.
 */
export function transaction<T>(db: DatabaseSync, kind: "DEFERRED" | "IMMEDIATE", act: () => T): T {
  db.exec(`BEGIN ${kind}`);
  try {
    const result = act();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk has already ended it.
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
