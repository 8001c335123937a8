/** What the live display shows, by snapshots at several widths. */
import { expect, test } from "bun:test";
import { liveLine, liveLines } from "../../../src/bench/live/lines.ts";
import type { LiveState } from "../../../src/bench/live/state.ts";
import { displayWidth } from "../../../src/terminal/width.ts";

const plain = { columns: null, colour: false, unicode: true };
const rising = Array.from({ length: 60 }, (_, i) => i);
const state: LiveState = {
  over: false,
  sent: 1230,
  running: 128,
  done: 1100,
  failed: 2,
  givenUp: 0,
  total: 3000,
  elapsedS: 61.2,
  leftS: 90,
  requests: { now: 12.34, mean: 11, history: rising },
  tokens: { now: 4567.8, mean: 4000, history: rising.toReversed() },
  ttft: { p50: 123.4, p99: 1456 },
  itl: { p50: 9.876, p99: 40.12 },
  series: { at: 3, of: 12, name: "rate 4, 128/32", restS: 3600 },
};
const start: LiveState = {
  ...state,
  sent: 0,
  running: 0,
  done: 0,
  failed: 0,
  total: null,
  elapsedS: 0,
  leftS: null,
  requests: { now: 0, mean: 0, history: [] },
  tokens: { now: 0, mean: 0, history: [] },
  ttft: null,
  itl: null,
  series: null,
};
const show = (shown: LiveState, columns: number, style = plain): string =>
  `\n${liveLines(shown, columns, style).join("\n")}\n`;

test("120 columns", () => {
  expect(show(state, 120)).toMatchInlineSnapshot(`
    "
    3 of 12: rate 4, 128/32  about 1:01:30 left in all
     40%  ████████████░░░░░░░░░░░░░░░░░░  1:01  about 1:30 left
    1,100 of 3,000 done  2 failed  128 running  1,230 sent
    requests     12.3/s  ▁▁▁▁▁▁▁▁▂▂▂▂▂▂▂▃▃▃▃▃▃▃▃▄▄▄▄▄▄▄▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇████████
    tokens      4,568/s  ████████▇▇▇▇▇▇▇▆▆▆▆▆▆▆▆▅▅▅▅▅▅▅▄▄▄▄▄▄▄▃▃▃▃▃▃▃▃▂▂▂▂▂▂▂▁▁▁▁▁▁▁▁
    TTFT p50 123 p99 1,456 ms  ITL p50 9.88 p99 40.1 ms
    "
  `);
});
test("80 columns, without Unicode", () => {
  expect(show(state, 80, { ...plain, unicode: false })).toMatchInlineSnapshot(`
    "
    3 of 12: rate 4, 128/32  about 1:01:30 left in all
     40%  ############..................  1:01  about 1:30 left
    1,100 of 3,000 done  2 failed  128 running  1,230 sent
    requests     12.3/s  _______.......--------~~~~~~~=======++++++++*******########
    tokens      4,568/s  ########*******+++++++=======~~~~~~~~-------.......________
    TTFT p50 123 p99 1,456 ms  ITL p50 9.88 p99 40.1 ms
    "
  `);
});
test("60 columns", () => {
  expect(show(state, 60)).toMatchInlineSnapshot(`
    "
    3 of 12: rate 4, 128/32  about 1:01:30 left in all
     40%  █████░░░░░░░░░  1:01  about 1:30 left
    1,100 of 3,000 done  2 failed  128 running  1,230 sent
    requests     12.3/s  ▃▃▄▄▄▄▄▄▄▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇████████
    tokens      4,568/s  █████▇▇▇▇▇▆▆▆▆▆▅▅▅▅▄▄▄▄▄▃▃▃▃▃▂▂▂▂▂▁▁▁▁▁
    TTFT p50 123 p99 1,456 ms  ITL p50 9.88 p99 40.1 ms
    "
  `);
});
test("40 columns", () => {
  expect(show(state, 40)).toMatchInlineSnapshot(`
    "
    3 of 12: rate 4, 128/32
     40%  ██░░░░  1:01  about 1:30 left
    1,100 of 3,000 done  2 failed
    12.3 req/s  4,568 tok/s
    TTFT p50 123 p99 1,456 ms
    ITL p50 9.88 p99 40.1 ms
    "
  `);
});
test("20 columns", () => {
  expect(show(state, 20)).toMatchInlineSnapshot(`
    "
     40% 1,100 of 3,000…
    "
  `);
});
test("before anything has come", () => {
  expect(show(start, 80)).toMatchInlineSnapshot(`
    "
      0%  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  0:00
    0 done
    requests     0.00/s
    tokens       0.00/s
    TTFT -  ITL -
    "
  `);
});
test("colours", () => {
  const colours = liveLines(state, 60, { ...plain, colour: true }).slice(0, 3);
  expect(JSON.stringify(colours)).toMatchInlineSnapshot(
    `"["\\u001b[1m3 of 12: rate 4, 128/32\\u001b[22m  about 1:01:30 left in all"," 40%  \\u001b[32m█████░░░░░░░░░\\u001b[39m  1:01  about 1:30 left","1,100 of 3,000 done  \\u001b[31m2 failed\\u001b[39m  128 running  1,230 sent"]"`,
  );
});
test("a log's line, and what stays of a run that is over", () => {
  const over = { ...state, over: true, running: 0, sent: 1102, givenUp: 3, series: null };
  expect([state, over].map((one) => liveLine(one))).toMatchInlineSnapshot(`
    [
      "3 of 12: rate 4, 128/32  1:01  about 1:30 left  1,100 of 3,000 done  2 failed  128 running  1,230 sent  12.3 req/s  4,568 tok/s  TTFT p50 123 p99 1,456 ms  ITL p50 9.88 p99 40.1 ms",
      "1:01  1,100 of 3,000 done  2 failed  3 given up  11.0 req/s  4,000 tok/s  TTFT p50 123 p99 1,456 ms  ITL p50 9.88 p99 40.1 ms",
    ]
  `);
  expect(liveLine(over, 40)).toMatchInlineSnapshot(`"1:01  1,100 of 3,000 done  2 failed"`);
});

test("one to six lines that fit, at any width and with any figures", () => {
  const large = { ...state, sent: 1e9, running: 1e9, done: 1e9, failed: 1e9, elapsedS: 1e6 };
  for (const one of [state, start, large]) {
    for (let columns = 1; columns <= 200; columns++) {
      for (const style of [plain, { ...plain, colour: true }]) {
        const lines = liveLines(one, columns, style);
        expect(lines.length).toBeWithin(1, 7);
        expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
      }
    }
  }
});
