/** Tables keep to the width of the terminal, and say what they left out. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { fittedTable, type TableSpec } from "../../src/terminal/table.ts";
import { displayWidth } from "../../src/terminal/width.ts";

const spec: TableSpec = {
  head: ["run", "TTFT p50\n(ms)", "out\n(tok/s)", "model"],
  rows: [
    ["r1", "12.3", "1203", "llama"],
    ["r2", "12.9", "1190", "模型"],
  ],
  right: [false, true, true, false],
  frame: "box",
};
const style = (columns: number | null, unicode = true) => ({ columns, colour: false, unicode });

test("with room, a table is as it is", () => {
  expect(`\n${fittedTable(spec, style(null)).text}`).toMatchInlineSnapshot(`
    "
    ┌─────┬──────────┬─────────┬───────┐
    │ run │ TTFT p50 │     out │ model │
    │     │     (ms) │ (tok/s) │       │
    ├─────┼──────────┼─────────┼───────┤
    │ r1  │     12.3 │    1203 │ llama │
    │ r2  │     12.9 │    1190 │ 模型  │
    └─────┴──────────┴─────────┴───────┘
    "
  `);
  expect(`\n${fittedTable(spec, style(80, false)).text}`).toMatchInlineSnapshot(`
    "
    +-----+----------+---------+-------+
    | run | TTFT p50 |     out | model |
    |     |     (ms) | (tok/s) |       |
    +-----+----------+---------+-------+
    | r1  |     12.3 |    1203 | llama |
    | r2  |     12.9 |    1190 | 模型  |
    +-----+----------+---------+-------+
    "
  `);
  expect(`\n${fittedTable({ ...spec, frame: "none" }, style(80)).text}`).toMatchInlineSnapshot(`
    "
    run  TTFT p50      out  model
             (ms)  (tok/s)
    r1       12.3     1203  llama
    r2       12.9     1190  模型
    "
  `);
});

test("few rows are turned", () => {
  const wide = { ...spec, head: ["run", "first figure", "second figure", "third figure"] };
  expect(`\n${fittedTable(wide, style(40)).text}`).toMatchInlineSnapshot(`
    "
    ┌───────────────┬───────┬──────┐
    │ run           │    r1 │   r2 │
    ├───────────────┼───────┼──────┤
    │ first figure  │  12.3 │ 12.9 │
    │ second figure │  1203 │ 1190 │
    │ third figure  │ llama │ 模型 │
    └───────────────┴───────┴──────┘
    "
  `);
});

test("of many rows, columns are left out in the order that is given, and told", () => {
  const many = { ...spec, rows: Array.from({ length: 8 }, () => spec.rows[0]!), droppable: [2, 1] };
  const { text, dropped } = fittedTable(many, style(28));
  expect(dropped).toEqual([2]);
  expect(text.split("\n")[1]).toBe("│ run │ TTFT p50 │ model │");
});

test("where nothing may be left out, blocks stand below one another", () => {
  const many = { ...spec, rows: Array.from({ length: 8 }, () => spec.rows[0]!) };
  const { text, dropped } = fittedTable(many, style(28));
  expect(dropped).toEqual([]);
  const heads = text.split("\n").filter((line) => line.startsWith("│ run"));
  expect(heads).toEqual(["│ run │ TTFT p50 │     out │", "│ run │ model │"]);
});

test("no line is wider than the terminal, unless two columns of a table are", () => {
  const cell = fc.string({ unit: fc.constantFrom("a", "é", "模", "😀", " ", "1"), maxLength: 9 });
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }),
      fc.array(fc.array(cell, { minLength: 6, maxLength: 6 }), { minLength: 1, maxLength: 9 }),
      fc.constantFrom("box" as const, "none" as const),
      fc.integer({ min: 50, max: 100 }),
      (count, cells, frame, columns) => {
        const [head, ...rows] = cells.map((row) => row.slice(0, count));
        const { text } = fittedTable({ head: head!, rows, frame }, style(columns));
        for (const line of text.split("\n")) {
          expect(displayWidth(line)).toBeLessThanOrEqual(columns);
        }
      },
    ),
  );
});
