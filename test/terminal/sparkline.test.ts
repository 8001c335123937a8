import { expect, test } from "bun:test";
import { sparkline } from "../../src/terminal/sparkline.ts";

test("levels rise from 0 to the greatest value", () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 9)).toBe("▁▁▂▃▄▅▆▇█");
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 9, { ascii: true })).toBe("__.-~=+*#");
  expect(sparkline([0, 0], 2)).toBe("▁▁");
});

test("only the last values are shown; fewer stand at the right", () => {
  expect(sparkline([8, 8, 4, 8], 2)).toBe("▄█");
  expect(sparkline([8], 4)).toBe("   █");
  expect(sparkline([], 3)).toBe("   ");
  expect(sparkline([1], 0)).toBe("");
});

test("a given maximum is kept to, and what is no number is a blank", () => {
  expect(sparkline([4, 20, -1, NaN, Infinity], 5, { max: 8 })).toBe("▄█▁ █");
});
