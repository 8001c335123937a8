/** Errors that say whose value was wrong. */
import { UsageError } from "../user-error.ts";

/** @param flag As it is written: "--where". */
export function named<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${flag}: ${error.message}`);
    throw error;
  }
}
