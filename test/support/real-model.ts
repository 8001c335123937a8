/**
 * The small real model that some tests compare with transformers. Its folder comes from SERVEBENCH_MODEL, or is
 * unpacked once, into the user's cache, from ../shared/models where that exists (needs python3 with numpy).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const name = "SmolLM2-135M-Instruct";

/** The model's folder in Hugging Face layout, or null with the reason why there is none. */
export const realModel: { folder: string } | { folder: null; reason: string } = find();

function find(): typeof realModel {
  const given = process.env["SERVEBENCH_MODEL"];
  if (given !== undefined) return { folder: given };
  const unpack = join(import.meta.dir, "../../../shared/models/unpack.py");
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const target = join(cache, "servebench-test", name);
  if (existsSync(target)) return { folder: target };
  if (!existsSync(unpack)) return { folder: null, reason: "set SERVEBENCH_MODEL to its folder" };
  mkdirSync(join(cache, "servebench-test"), { recursive: true });
  const partial = mkdtempSync(join(cache, "servebench-test", "partial-"));
  try {
    const { status, stderr } = spawnSync("python3", [unpack, partial], { encoding: "utf8" });
    if (status !== 0) {
      return { folder: null, reason: `unpack.py failed: ${stderr?.trim().split("\n").at(-1)}` };
    }
    renameSync(join(partial, name), target);
    return { folder: target };
  } finally {
    rmSync(partial, { recursive: true });
  }
}
