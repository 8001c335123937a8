/** Where the program keeps what outlives it. */
import { homedir } from "node:os";
import { join } from "node:path";

/** SERVEBENCH_HOME, else the place that the XDG base directory specification gives to user data. */
export function dataFolder(): string {
  const { SERVEBENCH_HOME: own, XDG_DATA_HOME: shared } = process.env;
  if (own) return own;
  // The specification calls a relative path invalid and tells programs to ignore it.
  const folder = shared?.startsWith("/") ? shared : join(homedir(), ".local", "share");
  return join(folder, "servebench");
}

export const storePath = (): string => join(dataFolder(), "results.sqlite");
