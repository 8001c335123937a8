import { expect, test } from "bun:test";
import { paint, terminalStyle } from "../../src/terminal/style.ts";

test("colours are for terminals that are not dumb and for users who want them", () => {
  const terminal = { isTTY: true, columns: 120 };
  expect(terminalStyle(terminal, {})).toEqual({ columns: 120, colour: true, unicode: true });
  expect(terminalStyle(terminal, { NO_COLOR: "1" }).colour).toBeFalse();
  expect(terminalStyle(terminal, { TERM: "dumb" })).toEqual({
    columns: 120,
    colour: false,
    unicode: false,
  });
  expect(terminalStyle({ isTTY: true }, {}).columns).toBe(80);
  expect(terminalStyle({}, {})).toEqual({ columns: null, colour: false, unicode: true });
});

test("paint sets a colour and takes it back", () => {
  const style = { columns: 80, colour: true, unicode: true };
  expect(paint("x", "red", style)).toBe("\u001b[31mx\u001b[39m");
  expect(paint("", "red", style)).toBe("");
  expect(paint("x", "red", { ...style, colour: false })).toBe("x");
});
