/** Plots, as they look. */
import { expect, test } from "bun:test";
import { type Plot, plotText } from "../../src/terminal/plot.ts";
import { displayWidth } from "../../src/terminal/width.ts";

const curve = (name: string, factor: number) => ({
  name,
  points: Array.from({ length: 60 }, (_, i) => ({
    x: factor * (10 + (i * i) / 8),
    y: (100 * i) / 59,
  })),
});
const cdf: Plot = {
  title: "TTFT: share of requests within (%)",
  xLabel: "ms",
  x: "linear",
  yMax: 100,
  series: [curve("r1", 1), curve("r2", 1.5)],
};
const rates: Plot = {
  title: "TTFT p99 (ms)",
  xLabel: "request rate (req/s)",
  x: "log",
  marked: true,
  series: [
    { name: "ours", points: [20, 22, 30, 55, 240].map((y, i) => ({ x: 2 ** i, y })) },
    { name: "theirs", points: [30, 42, 50, 65, 140].map((y, i) => ({ x: 2 ** i, y })) },
  ],
};
const plain = { columns: 60, colour: false, unicode: true };
const ascii = { columns: 60, colour: false, unicode: false };
const size = { columns: 60, rows: 14 };

test("one curve is drawn in dots", () => {
  const one = { ...cdf, series: cdf.series.slice(0, 1) };
  expect(`\n${plotText(one, size, plain)}`).toMatchSnapshot();
});

test("several are told apart by colours, or by characters where there are none", () => {
  expect(`\n${plotText(cdf, size, { ...plain, colour: true })}`).toMatchSnapshot();
  expect(`\n${plotText(cdf, size, plain)}`).toMatchSnapshot();
  expect(`\n${plotText(cdf, size, ascii)}`).toMatchSnapshot();
});

test("measured points are marked, on a logarithmic axis", () => {
  expect(`\n${plotText(rates, size, plain)}`).toMatchSnapshot();
  expect(`\n${plotText(rates, size, ascii)}`).toMatchSnapshot();
});

test.each([20, 33, 60, 140])("in %i columns nothing is wider", (columns) => {
  for (const plot of [cdf, rates]) {
    for (const style of [plain, ascii]) {
      const text = plotText(plot, { columns, rows: 10 }, style);
      for (const line of text.split("\n")) {
        expect(displayWidth(line), line).toBeLessThanOrEqual(columns);
      }
      expect(text.split("\n").length).toBeGreaterThanOrEqual(11);
    }
  }
});

test("plain characters only, for terminals without Unicode", () => {
  const text = plotText(rates, size, ascii);
  expect([...text].every((c) => c === "\n" || (c >= " " && c <= "~"))).toBeTrue();
});

test("nothing but zeros, a single point and no point still make a plot", () => {
  for (const points of [[], [{ x: 0, y: 0 }], [{ x: 5, y: 0 }]]) {
    const text = plotText({ ...cdf, series: [{ name: "r1", points }] }, size, plain);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
    expect(plotText({ ...rates, series: [{ name: "r1", points }] }, size, plain)).not.toContain(
      "NaN",
    );
  }
});
