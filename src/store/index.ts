/** Runs, their records, and what sessions remember, in one SQLite file that all sessions share. */
export { dataFolder, storePath } from "./folder.ts";
export { Store, type NewRun, type StoredRun, type StoredSession } from "./store.ts";
