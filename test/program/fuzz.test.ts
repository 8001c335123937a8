/** Any words given to the native libraries are answered or refused with a sentence: no crash, no hang. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const child = fileURLToPath(new URL("./fuzz-child.ts", import.meta.url));

for (const seed of [1, 2, 3]) {
  test(`random words, seed ${seed}`, () => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, String(seed)], {
      encoding: "utf8",
    });
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
    const counts = JSON.parse(stdout) as { accepted: number; refused: number };
    expect(counts.accepted).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(500);
  });
}
