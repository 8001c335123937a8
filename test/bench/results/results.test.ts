/** Proves that results are read back whole, whoever wrote them, and that what is torn or foreign does no harm. */
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configurationOf, configurationText } from "../../../src/bench/results/configuration.ts";
import { concurrencyOf, eventsOf, spanOf } from "../../../src/bench/results/events.ts";
import {
  errorRate,
  type Figure,
  figureOf,
  figureOfLine,
  figureOfRecords,
  headlines,
  latencyFigure,
  parseFigure,
  throughputs,
} from "../../../src/bench/results/figures.ts";
import { parseFields, readResultFile, textOf } from "../../../src/bench/results/lines.ts";
import { readResults } from "../../../src/bench/results/read.ts";
import { matchRecords, readRecordFile } from "../../../src/bench/results/records.ts";
import { imagine, recordedRun, savedRun, writeLines } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-results-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

describe("lines", () => {
  test("Python's numbers are read, and not looked for in texts", () => {
    const fields = parseFields('{"a": Infinity, "b": [NaN, -Infinity], "c": "\\": NaN, Infinity"}');
    expect(fields).toEqual({ a: Infinity, b: [null, -Infinity], c: '": NaN, Infinity' });
  });

  test("any text gives an object or null", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const fields = parseFields(text);
        expect(fields === null || typeof fields === "object").toBe(true);
      }),
    );
  });

  test("torn, foreign and empty lines are skipped and counted", () => {
    const { line } = imagine();
    const file = writeLines(path("torn.jsonl"), [
      line,
      "",
      "[1]",
      "null",
      '{"a": 1}',
      line.slice(0, 99),
      line,
    ]);
    const { runs, skipped } = readResultFile(file);
    expect(runs.map((run) => run.line)).toEqual([1, 7]);
    expect(skipped).toBe(4);
  });

  test("a file without a result line says what it holds instead", () => {
    const { recordLines } = imagine({ requests: 3 });
    writeFileSync(path("nothing.jsonl"), "\n");
    expect(() => readResultFile(path("nothing.jsonl"))).toThrow(/holds no result line/);
    const records = writeLines(path("records.jsonl"), recordLines);
    expect(() => readResultFile(records)).toThrow(/records of requests.*--records/);
    expect(() => readResultFile(path("absent.jsonl"))).toThrow(/cannot read.*absent/);
  });

  test("values of the wrong type are absent", () => {
    const run = savedRun({
      line: '{"backend": "x", "request_rate": [], "completed": "4", "output_throughput": {}}',
    });
    for (const figure of headlines) expect(figureOf(figure, run)).toBeNull();
    expect(configurationOf(run.fields)).toEqual({ backend: "x" });
  });

  test("what steers a terminal does not come through", () => {
    expect(textOf({ model: "a\u001b[31mb\nc\u202e" }, "model")).toBe("a [31mb c ");
  });
});

describe("records", () => {
  test("runs in one file are told apart, torn lines left out, orders of ending undone", async () => {
    const first = imagine({ requests: 12, seed: "a" });
    const second = imagine({ requests: 9, seed: "b" });
    const lines = [
      ...first.recordLines.toReversed(),
      "{torn",
      ...second.recordLines,
      '{"index": 3',
    ];
    const runs = await readRecordFile(writeLines(path("two.jsonl"), lines));
    expect(runs.map(({ records }) => records.length)).toEqual([12, 9]);
    expect(runs[0]!.records.map(({ index }) => index)).toEqual([...Array(12).keys()]);
  });

  test("a line finds its records among others", async () => {
    const runs = ["a", "b", "c"].map((seed) => imagine({ requests: 20, seed, failing: 10 }));
    const partial = runs[1]!.recordLines.slice(0, 7);
    const recordFile = writeLines(path("mixed.jsonl"), [
      ...runs[2]!.recordLines,
      ...partial,
      ...runs[0]!.recordLines,
    ]);
    const file = writeLines(
      path("three.jsonl"),
      runs.map(({ line }) => line),
    );
    const { files, records, notes } = await readResults([file], [recordFile]);
    expect(files[0]!.map((run) => records.get(run)?.length)).toEqual([20, undefined, 20]);
    expect(records.get(files[0]![0]!)![3]!.sentS).toBe(runs[0]!.records[3]!.sentS);
    expect(notes).toEqual(["1 recorded runs belong to no result line."]);
  });

  test("the lists of --output-details do for records", () => {
    for (const compat of ["0.2.13", "0.2.7"] as const) {
      const run = savedRun(imagine({ requests: 30, failing: 10, details: true, compat }));
      const records = matchRecords([run], []).records.get(run)!;
      expect(records).toHaveLength(30);
      const median = latencyFigure("ttft", 50);
      expect(figureOfRecords(median, records)).toBeCloseTo(figureOfLine(median, run.fields)!, 9);
      expect(figureOfRecords(throughputs[2]!, records)).toBeNull();
    }
  });

  test("no record, no file", () => {
    expect(readRecordFile(writeLines(path("none.jsonl"), ["{}"]))).rejects.toThrow(/no record/);
    expect(readRecordFile(path("absent.jsonl"))).rejects.toThrow(/cannot read/);
  });
});

describe("figures", () => {
  test("line and records agree on every headline", () => {
    const run = imagine({ requests: 50, failing: 10 });
    const records = recordedRun(run);
    for (const figure of headlines) {
      const line = figureOfLine(figure, savedRun(run).fields);
      if (figure.name === "e2e_p99") expect(line).toBeNull();
      else expect(figureOfRecords(figure, records)! / line!, figure.name).toBeCloseTo(1, 3);
    }
  });

  test("both versions of bench_serving's keys hold the same figures", () => {
    const [now, then] = (["0.2.13", "0.2.7"] as const).map((compat) =>
      savedRun(imagine({ compat })),
    );
    const value = (figure: Figure, run = now!) => figureOf(figure, run);
    for (const name of ["output_throughput", "e2e_mean", "e2e_p50", "ttft_p50"]) {
      expect(value(parseFigure(name), then!)).toBe(value(parseFigure(name)));
    }
  });

  test("names as people and result lines write them", () => {
    const names = { ttft_p99: "ttft_p99", p99_ttft_ms: "ttft_p99", TTFT_P99: "ttft_p99" } as const;
    for (const [written, name] of Object.entries(names))
      expect(parseFigure(written).name).toBe(name);
    expect(parseFigure("median_e2e_latency_ms").name).toBe("e2e_p50");
    expect(parseFigure("itl_p99.9").name).toBe("itl_p99.9");
    expect(parseFigure("e2el_mean").name).toBe("e2e_mean");
    expect(() => parseFigure("ttft_p9x")).toThrow(
      /'ttft_p9x' is not a figure \(did you mean ttft_p99\?\)/,
    );
    expect(() => parseFigure("__proto__")).toThrow(/is not a figure/);
  });

  test("a run in which all failed has an error rate and no latency", () => {
    const run = savedRun(imagine({ failing: 100 }));
    expect(figureOf(errorRate, run)).toBe(100);
    expect(figureOf(latencyFigure("ttft", 99), run)).toBeNull();
  });
});

describe("over time", () => {
  test("events add up to what was counted, within the run", () => {
    for (const compat of ["0.2.13", "0.2.7"] as const) {
      const run = recordedRun(imagine({ requests: 40, failing: 10, compat }));
      const { startS, endS } = spanOf(run);
      const done = run.filter((record) => record.failure === null).length;
      for (const [count, each] of Object.entries({ requests: 1, input: 16, output: 8 } as const)) {
        let total = 0;
        eventsOf(run, count as "input", (timeS, amount) => {
          expect(timeS).toBeWithin(startS, endS + 1e-6);
          total += amount;
        });
        expect(total).toBeCloseTo(done * each, 6);
      }
    }
  });

  test("concurrency begins at one and ends at none", () => {
    const steps = concurrencyOf(recordedRun(imagine({ requests: 40, perSecond: Infinity })));
    expect(steps[0]!.count).toBe(1);
    expect(steps.at(-1)!.count).toBe(0);
    expect(Math.max(...steps.map(({ count }) => count))).toBe(40);
  });
});

const text = (about: Parameters<typeof imagine>[0]) =>
  configurationText(configurationOf(savedRun(imagine(about)).fields));

test("a configuration in words", () => {
  expect(text({})).toBe("sglang, m, random (synthetic), 1024/128 x 0..1, 20 req/s, 200 requests");
  const fields = { dataset_name: "sharegpt", sharegpt_output_len: 9 };
  expect(text({ fields, perSecond: Infinity })).toBe(
    "sglang, m, sharegpt (synthetic), output 9, all at once, 200 requests",
  );
});
