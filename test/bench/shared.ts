/** Golden cases made by bench_serving itself; they lie outside the repository and may be absent. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const sharedFixtures = join(import.meta.dir, "../../../shared/fixtures/bench_serving");
export const sharedPresent = existsSync(sharedFixtures);
export const absentNote = sharedPresent
  ? ""
  : " (SKIPPED: ../shared/fixtures/bench_serving is absent)";

export function readShared<T>(name: string): T {
  return JSON.parse(readFileSync(join(sharedFixtures, name), "utf8")) as T;
}
