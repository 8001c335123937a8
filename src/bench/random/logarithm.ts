/**
 * The C library's `log`. numpy's legacy generators call it, and neither it nor the engines' `Math.log`
 * rounds every result correctly (glibc misses about 1 in 1,200, by one unit in the last place; V8 has
 * an algorithm of its own), so only the same function gives numpy's bits.
 */
import { runtime } from "../../runtime/index.ts";

/** Where there is no such library the engine's logarithm serves: gaps may then differ in the last bit. */
function cLibraryLog(): (x: number) => number {
  try {
    return runtime.open("libm.so.6", { log: { args: ["f64"], returns: "f64" } }).log;
  } catch {
    return Math.log;
  }
}

let log: ((x: number) => number) | undefined;

/** Natural logarithm of a positive number. */
export function naturalLog(x: number): number {
  log ??= cLibraryLog();
  return log(x);
}
