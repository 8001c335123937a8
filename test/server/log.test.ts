/** A flood of one line becomes two. */
import { expect, test } from "bun:test";
import { gatherRepeats } from "../../src/server/log.ts";
import { until } from "./support.ts";

test("repeats are counted; other lines pass", async () => {
  const lines: string[] = [];
  const log = gatherRepeats((level, line) => lines.push(`${level}: ${line}`), 10);
  for (let i = 0; i < 1000; i++) log("warning", "full");
  log("info", "other");
  expect(lines).toEqual(["warning: full", "info: other"]);
  await until(() => lines.length > 2);
  expect(lines[2]).toBe("warning: full (999 more times within 0.01 s)");
});
