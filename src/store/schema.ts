/**
 * The tables, step by step: step i leads from schema i to i + 1, and a file's schema is its `user_version`. Steps
 * that were released are never edited; what changes is a new step.
 */
import type { DatabaseSync } from "node:sqlite";
import { UserError } from "../user-error.ts";
import { transaction } from "./transaction.ts";

/** "sbn1": tells our files from other programs' ("PRAGMA application_id"). */
const applicationId = 0x73626e31;

export const steps: readonly string[] = [
  `
  CREATE TABLE sessions (
    name TEXT PRIMARY KEY,
    opened TEXT NOT NULL,
    last TEXT NOT NULL,
    labels INTEGER NOT NULL DEFAULT 0 -- how many were given out: that of a deleted run is not given again
  ) STRICT;
  CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL REFERENCES sessions (name),
    label TEXT NOT NULL,
    at TEXT NOT NULL,
    command TEXT NOT NULL,
    system TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    fields TEXT NOT NULL,
    environment TEXT NOT NULL,
    server TEXT,
    digest TEXT NOT NULL, -- of fields: the same line is the same run
    UNIQUE (session, label),
    UNIQUE (session, digest)
  ) STRICT;
  CREATE TABLE records (
    run INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    gzip BLOB NOT NULL
  ) STRICT;
  CREATE TABLE settings (
    session TEXT NOT NULL REFERENCES sessions (name),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (session, key)
  ) STRICT;
  `,
];

/**
 * Brings the file to the newest schema. Several processes may do so at once.
 * @throws UserError for a file of a newer program or of another one; it stays as it is.
 */
export function migrate(db: DatabaseSync, path: string, known = steps): void {
  const schema = (): number => schemaOf(db, path, known.length);
  if (transaction(db, "DEFERRED", schema) === known.length) return;
  transaction(db, "IMMEDIATE", () => {
    for (const step of known.slice(schema())) db.exec(step);
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${known.length}`);
  });
}

/** To be called in a transaction: another process may be at it. */
function schemaOf(db: DatabaseSync, path: string, newest: number): number {
  const pragma = (name: string) => Number(db.prepare(`PRAGMA ${name}`).get()![name]);
  const [id, version] = [pragma("application_id"), pragma("user_version")];
  const { tables } = db.prepare("SELECT count(*) AS tables FROM sqlite_schema").get()!;
  if (id !== applicationId && tables !== 0) {
    throw new UserError(
      `${path} is a database of another program; move it away or set SERVEBENCH_HOME to another folder.`,
    );
  }
  if (version > newest) {
    throw new UserError(
      `${path} was written by a newer servebench (schema ${version}; this one knows ${newest}): use that one, or set ` +
        "SERVEBENCH_HOME to another folder.",
    );
  }
  return version;
}
