/** Proves that the self-test's table holds each client's figure, its ratio and whether the bar is met. */
import { expect, test } from "bun:test";
import type { Row } from "../../../src/bench/mock/self-test.ts";
import { figureTable } from "../../../src/bench/mock/table.ts";

const row = (more: Partial<Row>): Row => ({
  scenario: "1000 streams",
  figure: "TTFT error p50",
  unit: "ms",
  bare: 2,
  peer: 291.4,
  servebench: 2.2,
  bar: null,
  ...more,
});
const rows = [
  row({ bar: { side: "most", value: 1.2, ofBare: true } }),
  row({
    figure: "ITL error p50",
    servebench: 2.5,
    bar: { side: "most", value: 1.2, ofBare: true },
  }),
  row({
    figure: "lateness",
    bare: null,
    peer: NaN,
    servebench: 0.1,
    bar: { side: "most", value: 0.1, ofBare: false },
  }),
  row({
    scenario: "flat out",
    figure: "events/s",
    unit: "",
    bare: 2e6,
    bar: { side: "least", value: 2.5e6, ofBare: false },
  }),
  row({ figure: "events/s", unit: "", bar: { side: "least", value: 1.1, ofBare: true } }),
];

test("a column a client, a scenario's name once", () => {
  expect(figureTable(rows, "another")).toBe(
    `| load | figure | bare | another | servebench | ratio to bare | to reach | met |
| --- | --- | --- | --- | --- | --- | --- | --- |
| 1000 streams | TTFT error p50 ms | 2.00 | 291 | 2.20 | 1.10 | <= 1.2x bare | yes |
|  | ITL error p50 ms | 2.00 | 291 | 2.50 | 1.25 | <= 1.2x bare | **no** |
|  | lateness ms |  | - | 0.100 |  | <= 0.1 | yes |
| flat out | events/s | 2 000 000 | 291 | 2.20 | 0.00 | >= 2 500 000 | **no** |
| 1000 streams | events/s | 2.00 | 291 | 2.20 | 1.10 | >= 1.1x bare | yes |
`,
  );
});

test("without another client its column is absent", () => {
  const [head, , first] = figureTable(rows.slice(0, 1)).split("\n");
  expect(head).toBe("| load | figure | bare | servebench | ratio to bare | to reach | met |");
  expect(first).toStartWith("| 1000 streams | TTFT error p50 ms | 2.00 | 2.20 | 1.10 |");
});
