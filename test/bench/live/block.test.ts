/** Proves what the display writes to a terminal, and that it leaves it as it was found. */
import { expect, test } from "bun:test";
import { LiveFigures } from "../../../src/bench/live/figures.ts";
import { inSeries, liveViewOf } from "../../../src/bench/live/view.ts";

const figures = () =>
  new LiveFigures({
    total: 10,
    lastDueS: 0,
    sendForS: Infinity,
    graceS: Infinity,
    tokens: 10,
    gapBeforeFirst: false,
  });
const state = figures().state(1, { sent: 4, openLines: 0 });
const over = figures().state(1, null);
const [hide, show] = ["\u001b[?25l", "\u001b[?25h"];

function onTerminal(more: { columns?: number; rows?: number } = {}, env = {}) {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 80, rows: 24, ...more };
  const view = liveViewOf(stream, env, (text) => void written.push(text))!;
  const last = () => written.splice(0).join("");
  return { view, stream, last };
}

test("the block is drawn over itself; what is over leaves a line and the cursor", () => {
  const { view, last } = onTerminal();
  view.show(state);
  expect(last()).toStartWith(`${hide}  0%`);
  view.show(state);
  const again = last();
  expect(again).toStartWith("\r\u001b[4A  0%"); // five lines
  expect(again).not.toContain(hide);
  view.show(over);
  expect(last()).toBe(
    `\r\u001b[4A\u001b[J${show}0:01  0 of 10 done  0.00 req/s  0.00 tok/s  TTFT -  ITL -\n`,
  );
  view.clear();
  expect(last()).toBe("");
});

test("other text takes the block's place, which is drawn anew below", () => {
  const { view, last } = onTerminal();
  view.show(state);
  last();
  view.clear();
  expect(last()).toBe(`\r\u001b[4A\u001b[J${show}`);
  view.show(state);
  expect(last()).toStartWith(`${hide}  0%`);
  view.clear();
});

test("a window that became narrower has wrapped the lines, and a low one shows fewer", () => {
  const { view, stream, last } = onTerminal();
  view.show(state);
  last();
  stream.columns = 40; // the bar and the curves take two rows each now
  view.show(state);
  expect(last()).toStartWith("\r\u001b[7A");
  stream.rows = 3;
  view.show(state);
  expect(last().split("\r\n")).toHaveLength(2);
  view.clear();
});

test("colours unless NO_COLOR", () => {
  const coloured = onTerminal();
  coloured.view.show(state);
  coloured.view.clear();
  expect(coloured.last()).toContain("\u001b[32m");
  const plain = onTerminal({}, { NO_COLOR: "1" });
  plain.view.show(state);
  plain.view.clear();
  expect(plain.last()).not.toContain("\u001b[32m");
});

test("lines for logs of CI and dumb terminals, nothing for other files", () => {
  const written: string[] = [];
  const write = (text: string) => void written.push(text);
  expect(liveViewOf({}, {}, write)).toBeNull();
  for (const [stream, env] of [
    [{}, { CI: "true" }],
    [{ isTTY: true }, { TERM: "dumb" }],
  ] as const) {
    const view = liveViewOf(stream, env, write)!;
    expect(view.periodMs).toBe(10_000);
    view.show(state);
    view.clear();
    const line = "0:01  0 of 10 done  4 running  4 sent  0.00 req/s  0.00 tok/s  TTFT -  ITL -\n";
    expect(written.splice(0)).toEqual([line]);
  }
});

test("JSON between a record separator and a line feed, with the run's place in a series", () => {
  const written: string[] = [];
  const env = { SERVEBENCH_LIVE: "1" };
  const view = liveViewOf({ isTTY: true }, env, (text) => void written.push(text));
  const series = { at: 2, of: 3, name: "rate 4", restS: null };
  inSeries(view, series)!.show(state);
  expect(written).toEqual([`\u001e${JSON.stringify({ ...state, series })}\n`]);
  expect(inSeries(null, series)).toBeNull();
});
