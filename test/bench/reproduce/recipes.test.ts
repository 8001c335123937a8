/** Proves that the recipes are the published ones: their flags, what those mean, and how they scale. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recipes, scaledFlags, serverFlags } from "../../../src/bench/reproduce/recipes.ts";
import { benchOptions } from "../../../src/commands/bench.ts";
import { parseFlags } from "../../../src/commands/flags.ts";
import { serve } from "../../../src/commands/serve.ts";

const published = join(import.meta.dir, "../../../../shared/reference/recipes.md");
const present = existsSync(published);
const note = present ? "" : " (SKIPPED: ../shared/reference/recipes.md is absent)";

/** The rows of the first table below a heading, without its head, as cells. */
function tableBelow(heading: string): string[][] {
  const [, section] = readFileSync(published, "utf8").split(`\n## ${heading}`);
  const rows = section!
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => row.split("|").map((cell) => cell.trim()));
}
const code = (text: string): string => /`(.*)`/.exec(text)![1]!;

describe.skipIf(!present)(`the published page${note}`, () => {
  test("offline: the flags word for word, and the lengths that they give", () => {
    const rows = tableBelow("Offline");
    const [first] = rows.map((row) => code(row[4]!));
    const common = first!.split(" --random-input")[0]!;
    const flags = rows.map((row) => `--backend sglang ${code(row[4]!).replace("...", common)}`);
    expect<readonly string[]>(recipes.offline.runs).toEqual(flags);
    for (const [i, row] of rows.slice(0, 4).entries()) {
      const options = benchOptions(recipes.offline.runs[i]!.split(" "));
      const range = (length: number) => `[${length * options.randomRangeRatio},${length}]`;
      const { randomInputLen, randomOutputLen, numPrompts } = options;
      expect(`in ${range(randomInputLen)}, out ${range(randomOutputLen)}`).toBe(row[5]!);
      expect(String(numPrompts)).toBe(row[3]!);
    }
  });

  test("online: the flags for all runs, rates and numbers of prompts", () => {
    const [, section] = readFileSync(published, "utf8").split("\n## Online");
    const common = code(section!);
    const flags = tableBelow("Online").map(
      ([, , rate, prompts]) =>
        `--backend sglang ${common} --request-rate ${rate} --num-prompts ${prompts}`,
    );
    expect<readonly string[]>(recipes.online.runs).toEqual(flags);
  });

  test("the server's flags are those of the 8B and of the 70B model", () => {
    const text = readFileSync(published, "utf8");
    expect(text).toContain(`meta-llama/Meta-Llama-3.1-8B-Instruct ${serverFlags.small}\``);
    expect(text).toContain(`meta-llama/Meta-Llama-3.1-70B-Instruct ${serverFlags.large}\``);
  });

  test("output files and fields are those of the published pipelines", () => {
    const text = readFileSync(published, "utf8");
    for (const { outputFile, field } of Object.values(recipes)) {
      expect(text).toContain(`cat ${outputFile} | cut -d':' -f${field} | cut -d',' -f1`);
    }
  });
});

test("every run and the server are understood by our own commands", () => {
  for (const { runs } of Object.values(recipes)) {
    expect(runs).toHaveLength(5);
    for (const run of runs) expect(benchOptions(run.split(" ")).backend).toBe("sglang");
  }
  expect(parseFlags(serve.flags, serverFlags.small.split(" "))).toMatchObject({
    enableTorchCompile: true,
    disableRadixCache: true,
  });
});

test("scaling changes the number of prompts only, to at least one", () => {
  const flags = recipes.online.runs[1]!;
  const prompts = (scale: number) => scaledFlags(flags, scale).join(" ");
  expect(prompts(1)).toBe(flags);
  expect(prompts(0.01)).toBe(flags.replace("--num-prompts 600", "--num-prompts 6"));
  expect(prompts(0.0025)).toBe(flags.replace("--num-prompts 600", "--num-prompts 2"));
  expect(prompts(0)).toBe(flags.replace("--num-prompts 600", "--num-prompts 1"));
});
