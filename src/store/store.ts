/** The runs of all sessions and what each session remembers. Every method is one transaction. */
import { createHash } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import { gunzipSync, gzipSync } from "node:zlib";
import { UserError } from "../user-error.ts";
import { openDatabase } from "./database.ts";
import { explained } from "./errors.ts";
import { fromJson, toJson } from "./json.ts";
import { transaction } from "./transaction.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface StoredRun {
  readonly id: number;
  readonly session: string;
  /** When it began: ISO 8601. */
  readonly at: string;
  /** Short name, unique in the session: r1, r2. */
  readonly label: string;
  /** The command line that measured it. */
  readonly command: string;
  /** The measured server's name, or its base URL. */
  readonly system: string;
  /** What the user says of it. */
  readonly note: string;
  /** The result line. */
  readonly fields: Fields;
  /** Machine, system, versions, commit. */
  readonly environment: Fields;
  readonly server: Fields | null;
  readonly hasRecords: boolean;
}

export type NewRun = Omit<StoredRun, "id" | "label" | "note" | "hasRecords"> & {
  /** r1, r2, ... if not given. */
  readonly label?: string;
  /** The lines of bench --records that belong to it: as text, or compressed by gzip. */
  readonly recordsJsonl?: string | Uint8Array | null;
};

export interface StoredSession {
  readonly name: string;
  readonly opened: string;
  /** When it was last opened or got a run. */
  readonly last: string;
  readonly runs: number;
}

type Row = Record<string, SQLOutputValue>;

export class Store {
  readonly #db: DatabaseSync;
  readonly #path: string;

  /** @param db As `openDatabase` gives it. */
  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /**
   * Makes folders and the file if need be; sets a damaged file aside and tells so by `say`.
   * @throws UserError when the file cannot be opened, or is of a newer or another program.
   */
  static open(path: string, say: (line: string) => void): Store {
    return new Store(openDatabase(path, say), path);
  }

  /**
   * A run that the session already has (the same result line) is not added again: it keeps its label, and gets the
   * records if it has none. So what a killed process may have imported can be imported again.
   * @throws UserError when the label is taken in the session.
   */
  addRun(run: NewRun): StoredRun {
    const { session, recordsJsonl: records } = run;
    const fields = toJson(run.fields);
    const digest = createHash("sha256").update(fields).digest("hex");
    const gzip = typeof records === "string" ? gzipSync(records, { level: 1 }) : records;
    const id = this.#transaction(() => {
      this.#touchSession(session);
      const same = this.#get("SELECT id FROM runs WHERE session = ? AND digest = ?", [
        session,
        digest,
      ]);
      const own = same ? Number(same["id"]) : this.#insert(run, fields, digest);
      if (gzip) this.#run("INSERT OR IGNORE INTO records (run, gzip) VALUES (?, ?)", [own, gzip]);
      return own;
    });
    return this.runs({ ids: [id] })[0]!;
  }

  /** In the order in which they were added. */
  runs({
    session,
    ids,
  }: { readonly session?: string; readonly ids?: readonly number[] } = {}): StoredRun[] {
    const conditions: readonly (readonly [string, SQLInputValue | undefined])[] = [
      ["session = ?", session],
      ["id IN (SELECT value FROM json_each(?))", ids && JSON.stringify(ids)],
    ];
    const asked = conditions.filter(([, value]) => value !== undefined);
    const where = asked.length === 0 ? "" : `WHERE ${asked.map(([text]) => text).join(" AND ")} `;
    const rows = this.#all(
      `SELECT *, EXISTS (SELECT 1 FROM records WHERE run = id) AS recorded FROM runs ${where}ORDER BY id`,
      asked.map(([, value]) => value!),
    );
    return rows.map(toRun);
  }

  /** The lines of bench --records; null if there are none. */
  records(id: number): string | null {
    const row = this.#get("SELECT gzip FROM records WHERE run = ?", [id]);
    if (!row) return null;
    try {
      return gunzipSync(row["gzip"] as Uint8Array).toString("utf8");
    } catch (error) {
      throw new UserError(`${this.#path}: the records of run ${id} are damaged.`, { cause: error });
    }
  }

  /** @returns How many there were. */
  deleteRuns(ids: readonly number[]): number {
    const { changes } = this.#run("DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))", [
      JSON.stringify(ids),
    ]);
    return Number(changes);
  }

  /** @throws UserError when the label is taken in the run's session. */
  relabel(id: number, label: string): void {
    this.#transaction(() => {
      const row = this.#get("SELECT session, label FROM runs WHERE id = ?", [id]);
      if (!row || row["label"] === label) return;
      this.#run("UPDATE runs SET label = ? WHERE id = ?", [
        this.#freeLabel(String(row["session"]), label),
        id,
      ]);
    });
  }

  annotate(id: number, note: string): void {
    this.#run("UPDATE runs SET note = ? WHERE id = ?", [note, id]);
  }

  /** The one used last comes last. */
  sessions(): StoredSession[] {
    const rows = this.#all(
      "SELECT name, opened, last, (SELECT count(*) FROM runs WHERE session = name) AS runs FROM sessions " +
        "ORDER BY last, rowid",
      [],
    );
    return rows.map((row) => ({
      name: String(row["name"]),
      opened: String(row["opened"]),
      last: String(row["last"]),
      runs: Number(row["runs"]),
    }));
  }

  /** Opens a session, which may be new. Without a name it is new, and named by the day: 2026-11-29, 2026-11-29-2. */
  openSession(name?: string): string {
    return this.#transaction(() => {
      const opened = name ?? this.#newName(new Date().toISOString().slice(0, 10));
      this.#touchSession(opened);
      return opened;
    });
  }

  getSetting(session: string, key: string): string | null {
    return this.settings(session)[key] ?? null;
  }

  /** @param value null forgets it. */
  setSetting(session: string, key: string, value: string | null): void {
    if (value === null) {
      this.#run("DELETE FROM settings WHERE session = ? AND key = ?", [session, key]);
      return;
    }
    this.#run(
      "INSERT INTO settings (session, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      [session, key, value],
    );
  }

  /** In the order of their keys. */
  settings(session: string): Readonly<Record<string, string>> {
    const rows = this.#all("SELECT key, value FROM settings WHERE session = ? ORDER BY key", [
      session,
    ]);
    return Object.fromEntries(rows.map((row) => [String(row["key"]), String(row["value"])]));
  }

  close(): void {
    this.#db.close();
  }

  #touchSession(name: string): void {
    const now = new Date().toISOString();
    this.#run(
      "INSERT INTO sessions (name, opened, last) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last",
      [sessionName(name), now, now],
    );
  }

  #insert(run: NewRun, fields: string, digest: string): number {
    const { session, at, command, system, environment, server } = run;
    const label =
      run.label === undefined ? this.#nextLabel(session) : this.#freeLabel(session, run.label);
    const { lastInsertRowid } = this.#run(
      "INSERT INTO runs (session, label, at, command, system, fields, environment, server, digest) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [
        session,
        label,
        at,
        command,
        system,
        fields,
        toJson(environment),
        server && toJson(server),
        digest,
      ],
    );
    return Number(lastInsertRowid);
  }

  #newName(day: string): string {
    for (let count = 1; ; count++) {
      const name = count === 1 ? day : `${day}-${count}`;
      if (!this.#get("SELECT 1 FROM sessions WHERE name = ?", [name])) return name;
    }
  }

  #nextLabel(session: string): string {
    for (;;) {
      const row = this.#get(
        "UPDATE sessions SET labels = labels + 1 WHERE name = ? RETURNING labels",
        [session],
      );
      const label = `r${Number(row!["labels"])}`;
      if (!this.#labelled(session, label)) return label;
    }
  }

  #freeLabel(session: string, label: string): string {
    if (!/^[\p{L}\p{N}_][\p{L}\p{N}_.+-]*$/u.test(label)) {
      throw new UserError(
        `'${label}' is no label: write letters, digits and _ . + - without blanks, like before or r12.`,
      );
    }
    if (!this.#labelled(session, label)) return label;
    throw new UserError(
      `the label '${label}' is taken in session ${session}: choose another, or rename that run first.`,
    );
  }

  #labelled(session: string, label: string): boolean {
    return (
      this.#get("SELECT 1 FROM runs WHERE session = ? AND label = ?", [session, label]) !==
      undefined
    );
  }

  #transaction<T>(act: () => T): T {
    return this.#explaining(() => transaction(this.#db, "IMMEDIATE", act));
  }

  #run(sql: string, values: readonly SQLInputValue[]) {
    return this.#explaining(() => this.#db.prepare(sql).run(...values));
  }

  #get(sql: string, values: readonly SQLInputValue[]): Row | undefined {
    return this.#explaining(() => this.#db.prepare(sql).get(...values));
  }

  #all(sql: string, values: readonly SQLInputValue[]): Row[] {
    return this.#explaining(() => this.#db.prepare(sql).all(...values));
  }

  #explaining<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw explained(error, this.#path);
    }
  }
}

function sessionName(name: string): string {
  if (/^[^\p{C}\s](?:[^\p{C}]*[^\p{C}\s])?$/u.test(name)) return name;
  throw new UserError(
    `'${name}' cannot name a session: write printable characters, like monday or tuning-batch.`,
  );
}

function toRun(row: Row): StoredRun {
  const text = (name: string) => String(row[name]);
  return {
    id: Number(row["id"]),
    session: text("session"),
    at: text("at"),
    label: text("label"),
    command: text("command"),
    system: text("system"),
    note: text("note"),
    fields: fromJson(text("fields")),
    environment: fromJson(text("environment")),
    server: row["server"] === null ? null : fromJson(text("server")),
    hasRecords: row["recorded"] === 1,
  };
}
