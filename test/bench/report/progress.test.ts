/** Proves what the progress line says. */
import { expect, test } from "bun:test";
import { progressText } from "../../../src/bench/report/progress.ts";

test.each([
  [
    { sent: 0, ended: 0, failed: 0 },
    0,
    "  0% [....................] 0/40  0:00  0 in flight  0.0 req/s",
  ],
  [
    { sent: 30, ended: 10, failed: 2 },
    65,
    " 25% [#####...............] 10/40  1:05  20 in flight  0.2 req/s  2 failed",
  ],
  [
    { sent: 40, ended: 40, failed: 0 },
    4,
    "100% [####################] 40/40  0:04  0 in flight  10.0 req/s",
  ],
])("%j after %d s", (counts, seconds, line) => {
  expect(progressText(counts, 40, seconds)).toBe(line);
});
