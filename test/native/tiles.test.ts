/** The linear of isa=amx by emulated tile instructions: runs everywhere, see tiles.cpp. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

test("tile kernels: values, edges, and a row alone as among others", () => {
  const folder = mkdtempSync(join(tmpdir(), "tiles-"));
  try {
    const [source, program] = [
      fileURLToPath(new URL("tiles.cpp", import.meta.url)),
      join(folder, "tiles"),
    ];
    const flags = [
      "-std=c++20",
      "-O1",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-fsanitize=address,undefined",
    ];
    const built = spawnSync("g++", [...flags, "-o", program, source], { encoding: "utf8" });
    expect(built.stderr).toBe("");
    const ran = spawnSync(program, { encoding: "utf8" });
    expect({ status: ran.status, output: ran.stdout + ran.stderr }).toEqual({
      status: 0,
      output: "",
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
