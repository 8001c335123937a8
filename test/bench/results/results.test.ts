/** Proves that results are read back whole, whoever wrote them, and that what is torn or foreign does no harm. */
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configurationOf, configurationText } from "../../../src/bench/results/configuration.ts";
import { brought, total } from "../../../src/bench/analysis/throughput.ts";
import {
  durationOf,
  errorRate,
  type Figure,
  figureOf,
  figureOfLine,
  figureOfMeasurements,
  headlines,
  latencyFigure,
  parseFigure,
  throughputs,
} from "../../../src/bench/results/figures.ts";
import { Measurements, type Outcome } from "../../../src/bench/measurements.ts";
import {
  failuresOf,
  failuresText,
  linesOf,
  parseFields,
  readResultFile,
  textOf,
} from "../../../src/bench/results/lines.ts";
import { chosenResults } from "../../../src/commands/stored-runs.ts";
import {
  addSaved,
  matchRecords,
  readRecordFile,
  savedRecord,
} from "../../../src/bench/results/records.ts";
import { drawFigure, seeded } from "../../../src/bench/compare/resample.ts";
import { reportPage } from "../../../src/bench/report/html/page.ts";
import { type BenchOptions, defaultOptions, runBench } from "../../../src/bench/index.ts";
import { paced, response, startMock } from "../mock/server.ts";
import { captureIo } from "../support.ts";
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
  test("runs in one file are told apart, torn lines left out, orders of ending undone", () => {
    const first = imagine({ requests: 12, seed: "a" });
    const second = imagine({ requests: 9, seed: "b" });
    // Two clients may write at the same time.
    const mixed = first.recordLines
      .toReversed()
      .flatMap((line, i) => [line, second.recordLines[i] ?? "{torn"]);
    const runs = readRecordFile(writeLines(path("two.jsonl"), [...mixed, '{"index": 3']));
    expect(runs.map(({ measurements }) => measurements.ended)).toEqual([12, 9]);
    const sentS = first.records.map((record) => record.sentS);
    expect([...runs[0]!.measurements.columns.sentS.subarray(0, 12)]).toEqual(sentS);
  });

  test("without a start, a run begins where an index comes again", () => {
    const lines = imagine({ requests: 5 }).records.map((record) => JSON.stringify(record));
    const runs = readRecordFile(writeLines(path("again.jsonl"), [...lines, ...lines.slice(0, 3)]));
    expect(runs.map(({ measurements }) => measurements.ended)).toEqual([5, 3]);
  });

  test("lines of any length are read whole, whatever is cut by a chunk", () => {
    const long = "€".repeat(1_500_000);
    const lines = ["", "a", long, "", `${long}b`];
    writeFileSync(path("long"), lines.join("\n"));
    expect([...linesOf(path("long"))]).toEqual(lines);
  });

  test("a record with a number that none can be is none", () => {
    const record = imagine({ requests: 1 }).records[0]!;
    const absurd = [
      { index: 1e300 },
      { index: 0.5 },
      { index: -1 },
      { sentS: -1 },
      { ttftS: 1e99 },
    ];
    const lines = [record, ...absurd.map((more) => ({ ...record, ...more }))];
    const file = writeLines(
      path("absurd.jsonl"),
      lines.map((line) => JSON.stringify(line)),
    );
    expect(readRecordFile(file).map(({ measurements }) => measurements.ended)).toEqual([1]);
  });

  test("a line finds its records among others", () => {
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
    const { chosen, records, notes } = chosenResults(
      [file],
      { records: [recordFile], session: null },
      captureIo(),
    );
    expect(chosen[0]!.map((run) => records.get(run)?.ended)).toEqual([20, undefined, 20]);
    expect(records.get(chosen[0]![0]!)!.columns.sentS[3]!).toBe(runs[0]!.records[3]!.sentS);
    expect(notes).toEqual(["1 recorded runs belong to no result line."]);
  });

  test("the lists of --output-details do for records", () => {
    for (const compat of ["0.2.13", "0.2.7"] as const) {
      const run = savedRun(imagine({ requests: 30, failing: 10, details: true, compat }));
      const records = matchRecords([run], []).records.get(run)!;
      expect(records.ended).toBe(30);
      const median = latencyFigure("ttft", 50);
      expect(figureOfMeasurements(median, records)).toBeCloseTo(
        figureOfLine(median, run.fields)!,
        9,
      );
      expect(figureOfMeasurements(throughputs[2]!, records)).toBeNull();
    }
  });

  test("no record, no file", () => {
    const none = writeLines(path("none.jsonl"), ["{}"]);
    expect(() => readRecordFile(none)).toThrow(/no record/);
    expect(() => readRecordFile(path("absent.jsonl"))).toThrow(/cannot read/);
  });
});

describe("figures", () => {
  test("line and records agree on every headline", () => {
    const run = imagine({ requests: 50, failing: 10 });
    const records = recordedRun(run);
    for (const figure of headlines) {
      const line = figureOfLine(figure, savedRun(run).fields);
      if (figure.name === "e2e_p99") expect(line).toBeNull();
      else expect(figureOfMeasurements(figure, records)! / line!, figure.name).toBeCloseTo(1, 3);
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

test("what requests brought adds up, within the run", () => {
  for (const compat of ["0.2.13", "0.2.7"] as const) {
    const m = recordedRun(imagine({ requests: 40, failing: 10, compat }));
    const ok = m.indices("ok");
    expect(ok.length).toBeWithin(25, 40);
    const each = { requests: 1, inputTokens: 16, outputTokens: 8 } as const;
    for (const count of ["requests", "inputTokens", "outputTokens"] as const) {
      const spans = brought[count](m, ok);
      expect(total(spans)).toBe(ok.length * each[count]);
      for (const s of [...spans.from, ...spans.to]) expect(s).toBeWithin(0, durationOf(m) + 1e-9);
    }
  }
});

const text = (about: Parameters<typeof imagine>[0]) =>
  configurationText(configurationOf(savedRun(imagine(about)).fields));

test("gaps that are too many to be kept have figures and a chart, and no interval", () => {
  const run = imagine({ requests: 300, tokens: 20 });
  const exact = recordedRun(run);
  const coarse = new Measurements(Infinity, { ...exact.options, gapsKept: 1000 });
  for (const line of run.recordLines) addSaved(coarse, savedRecord(parseFields(line)!)!);
  for (const statistic of ["mean", "std", "max", 50, 99] as const) {
    const figure = latencyFigure("itl", statistic);
    const [a, b] = [exact, coarse].map((m) => figureOfMeasurements(figure, m)!) as [number, number];
    expect(Math.abs(b / a - 1), figure.name).toBeLessThan(0.01);
  }
  const refused = drawFigure(latencyFigure("itl", 50), coarse, seeded("x"));
  expect(refused).toEqual({ refused: "the gaps were too many to be kept" });
  const saved = savedRun(run);
  const page = reportPage([saved], new Map([[saved, coarse]]), { title: null, now: new Date(0) });
  expect(page).toContain("ITL: share of gaps within");
  expect(page).not.toContain("NaN");
});

/** Every fifth reply is short by half, every seventh fails. */
async function unevenRun(compat: "0.2.7" | "0.2.13", disableIgnoreEos: boolean) {
  let asked = 0;
  const server = await startMock((request, socket) => {
    const number = asked++;
    if (number % 7 === 6) return void socket.end(response(500, {}, "no"));
    const { body } = request;
    const answered = number % 5 === 4 ? body.replace('"max_tokens": 6', '"max_tokens": 3') : body;
    return paced({ ttftMs: 2, itlMs: 1 })({ ...request, body: answered }, socket);
  });
  const name = `uneven.${compat}.${disableIgnoreEos}`;
  const [outputFile, recordsFile] = [path(`${name}.jsonl`), path(`${name}.records.jsonl`)];
  const options: BenchOptions = {
    ...defaultOptions,
    host: "127.0.0.1",
    port: server.port,
    model: "m",
    compat,
    disableIgnoreEos,
    datasetName: "random-ids",
    numPrompts: 60,
    randomInputLen: 8,
    randomOutputLen: 6,
    randomRangeRatio: 1,
    maxConcurrency: 10,
    outputFile,
    recordsFile,
  };
  await runBench(options, captureIo());
  await server.close();
  const { chosen, records } = chosenResults(
    [outputFile],
    { records: [recordsFile], session: null },
    captureIo(),
  );
  const run = chosen[0]![0]!;
  return { fields: run.fields, records: records.get(run)! };
}

describe("a run's line and its records", () => {
  test.each([
    ["0.2.13", false],
    ["0.2.7", false],
    ["0.2.13", true],
  ] as const)("%s, short replies allowed: %p: give the same figures", async (compat, allowed) => {
    const { fields, records } = await unevenRun(compat, allowed);
    const count = (outcome: Outcome) => records.indices(outcome).length;
    expect(fields["outcomes"]).toEqual({
      ok: count("ok"),
      short_output: count("short output"),
      failed: count("failed"),
      incomplete: 0,
    });
    if (allowed) expect(count("short output")).toBe(0);
    else expect(count("short output")).toBeGreaterThan(5);
    expect(failuresOf(fields)).toEqual({ failed: 60 - count("ok"), of: 60 });
    for (const figure of headlines) {
      const [told, found] = [figureOfLine(figure, fields), figureOfMeasurements(figure, records)];
      // Of so few requests the line tells no 99th percentile.
      if (told === null) expect(figure.name).toEndWith("_p99");
      else expect(found!, figure.name).toBeCloseTo(told, 6);
    }
  });

  test("short replies are told apart from failures in words", async () => {
    const { fields } = await unevenRun("0.2.13", false);
    expect(failuresText(fields)).toMatch(/^\d+ of 60 requests failed or came short; latencies are/);
  });
});

test("a configuration in words", () => {
  expect(text({})).toBe("sglang, m, random (synthetic), 1024/128 x 0..1, 20 req/s, 200 requests");
  const fields = { dataset_name: "sharegpt", sharegpt_output_len: 9 };
  expect(text({ fields, perSecond: Infinity })).toBe(
    "sglang, m, sharegpt (synthetic), output 9, all at once, 200 requests",
  );
});
