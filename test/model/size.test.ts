/** Proves that a model's size, told from its configuration, is that of its tensors. */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { presetConfig } from "../../src/hub/presets.ts";
import { parameterCount, parseConfig } from "../../src/model/index.ts";
import { readGolden } from "../support/random-model.ts";

const names = readdirSync(join(import.meta.dir, "../fixtures/model"))
  .map((file) => file.replace(".json", ""))
  .filter((name) => name !== "real-greedy");

test.each(names)("%s", (name) => {
  const { config, tensors } = readGolden(name);
  const values = Object.values(tensors).reduce((sum, [a, b = 1]) => sum + a! * b, 0);
  expect(parameterCount(parseConfig(config))).toBe(values);
});

const billions = (preset: string) => parameterCount(parseConfig(presetConfig(preset))) / 1e9;

test("the published sizes of Llama", () => {
  expect(billions("llama-3.1-8b")).toBeCloseTo(8.03, 2);
  expect(billions("llama-3.1-70b")).toBeCloseTo(70.55, 2);
  expect(billions("llama-3.2-1b")).toBeCloseTo(1.24, 2);
});
