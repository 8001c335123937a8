/** Engines of others that this machine has, which could be launched and compared. */
import { findProgram, searchFolders, templates } from "../launch/index.ts";
import { ok, type Finding } from "./finding.ts";

export function engineFindings(): Finding[] {
  const folders = searchFolders();
  return templates.flatMap(({ name, program, install, example }) => {
    if (program === null) return [];
    const path = findProgram(program, folders);
    return [ok(name, path === null ? `not found; to get it: ${install}` : `${path}: ${example}`)];
  });
}
