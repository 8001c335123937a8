/** Writes the file that a flag names. */
import { writeFileSync } from "node:fs";
import { UserError } from "../user-error.ts";

/** What the file held is replaced. @throws UserError that names the flag and the file. */
export function writeFile(flag: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UserError(`${flag}: cannot write '${path}': ${(error as Error).message}`, {
      cause: error,
    });
  }
}
