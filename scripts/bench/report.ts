/** What every table of measurements says about itself. */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";

/** A sentence: made by what, when, at which commit, on which machine. */
export function header(script: string): string {
  const date = new Date().toISOString().slice(0, 10);
  return (
    `Made by \`${script}\` on ${date} at commit ${commit()}, ` +
    `${cpus()[0]?.model.trim()} (${cpus().length} processors).`
  );
}

function commit(): string {
  const cwd = join(import.meta.dir, "../..");
  return spawnSync("git", ["rev-parse", "--short", "HEAD"], {
    cwd,
    encoding: "utf8",
  }).stdout.trim();
}
