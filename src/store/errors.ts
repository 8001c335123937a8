/** What SQLite says, for people. */
import { UserError } from "../user-error.ts";

/** SQLite's own texts: under Deno errors carry no code. */
const sentences: readonly (readonly [RegExp, string])[] = [
  [
    /disk is full/,
    "the disk is full: make room; what could not be saved is not in it, all before is.",
  ],
  [
    /disk I\/O error/,
    "the disk could not be read or written: see whether it is full or failing (dmesg tells).",
  ],
  [
    /not a database|malformed/,
    "the file is damaged: start again, and it is set aside for a new one.",
  ],
  [/is locked/, "another process has kept it locked for long: end that one, or try again."],
  [
    /readonly/,
    "it cannot be written: give yourself the right to, or set SERVEBENCH_HOME to another folder.",
  ],
  [
    /unable to open/,
    "it cannot be opened: see whether it is a file that you may read and write, or set SERVEBENCH_HOME to another folder.",
  ],
  [/too big/, "the records are over a gigabyte, more than a database takes: keep them as a file."],
];

export const isDamage = (error: unknown): boolean =>
  error instanceof Error && /not a database|malformed/.test(error.message);

export const isBusy = (error: unknown): boolean =>
  error instanceof Error && /is locked/.test(error.message);

/** An error of SQLite as a UserError; any other as it is. */
export function explained(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const found = sentences.find(([said]) => said.test(error.message));
  return found ? new UserError(`${path}: ${found[1]}`, { cause: error }) : error;
}
