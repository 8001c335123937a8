/** Proves what is made of a run, on made-up requests: no clock is read here. */
import { describe, expect, test } from "bun:test";
import { acrossRuns } from "../../../src/bench/analysis/across-runs.ts";
import { analyse, type Analysis } from "../../../src/bench/analysis/analysis.ts";
import type { ClientCost } from "../../../src/bench/load.ts";
import { Measurements, type MeasurementOptions } from "../../../src/bench/measurements.ts";
import { computeLoadFigures, computeMetrics } from "../../../src/bench/metrics.ts";
import type { RequestRecord } from "../../../src/bench/request.ts";
import { analysisFields } from "../../../src/bench/report/analysis-fields.ts";
import { analysisTable } from "../../../src/bench/report/analysis-table.ts";
import { requestRecord } from "../support.ts";

interface Given {
  readonly durationS?: number;
  readonly client?: ClientCost | null;
  readonly goodput?: Record<string, number>;
  readonly options?: Partial<MeasurementOptions>;
  readonly retokenized?: (record: RequestRecord) => number;
}

function measured(records: readonly Partial<RequestRecord>[], given: Given): Measurements {
  const usual = { gapBeforeFirst: false, exactOutput: true };
  const m = new Measurements(records.length, { ...usual, ...given.options });
  records.forEach((more, index) => {
    const record = requestRecord({ index, ...more });
    m.add(record, given.retokenized?.(record) ?? record.outputLen);
  });
  return m;
}

function analysisOf(records: readonly Partial<RequestRecord>[], given: Given = {}): Analysis {
  const m = measured(records, given);
  const result = { durationS: given.durationS ?? 10, client: given.client ?? null };
  return analyse(m, result, computeLoadFigures(m), {
    seed: 1,
    goodput: given.goodput ?? {},
  });
}

/** `count` requests of `tokens` tokens, `everyS` apart, each with its first after 0.1 s and 10 ms between two. */
function even(count: number, everyS: number, tokens = 11): Partial<RequestRecord>[] {
  const itlsS = Array<number>(tokens - 1).fill(0.01);
  const latencyS = 0.1 + 0.01 * (tokens - 1);
  return Array.from({ length: count }, (_, i) => ({
    scheduledS: i * everyS,
    readyS: i * everyS,
    sentS: i * everyS,
    ttftS: 0.1,
    latencyS,
    endedS: latencyS,
    outputLen: tokens,
    itlsS,
  }));
}

const usage = (completionTokens: number) => ({ usage: { promptTokens: null, completionTokens } });

describe("what counts", () => {
  const broken = { class: "cut off", message: "" } as const;
  const mixed = [
    ...even(30, 0.1),
    { ...even(1, 1)[0]!, latencyS: 9, ...usage(3) },
    { failure: broken, ttftS: 5, latencyS: 5 },
    { failure: { class: "interrupted", message: "" } as const },
  ];

  test("each request counts once, and only whole replies enter the figures", () => {
    const found = analysisOf(mixed);
    expect(found.outcomes).toEqual({ ok: 30, shortOutput: 1, failed: 1, incomplete: 1 });
    expect(found.latencies.e2e!.distribution).toMatchObject({ values: 30 });
    expect(found.latencies.e2e!.distribution.max).toBeCloseTo(0.2, 9);
    expect(found.throughput.requests.perS).toBe(3);
    expect(found.throughput.outputTokens.perS).toBeCloseTo((30 * 11) / 10, 9);
  });

  test("bench_serving's table keeps its own rule", () => {
    expect(computeMetrics(measured(mixed, {}), 10).completed).toBe(31);
  });

  test("the first gap of bench_serving 0.2.7 is none between tokens", () => {
    const records = even(30, 0.1).map((r) => ({ ...r, itlsS: [0.1, ...r.itlsS!] }));
    const { itl } = analysisOf(records, { options: { gapBeforeFirst: true } }).latencies;
    expect(itl!.distribution.values).toBe(300);
    expect(itl!.distribution.max).toBeCloseTo(0.01, 9);
  });

  test("without a success there are no figures, and no crash", () => {
    const found = analysisOf([{ failure: broken }], { client: null });
    expect(found.latencies).toEqual({});
    expect(found.throughput.requests).toEqual({ perS: 0, interval: null });
    expect(found.client.invalid).toEqual([]);
    expect(analysisTable(found)).toContain("0 / 0 / 1 / 0");
    expect(analysisFields(found)).toMatchObject({ valid: true, latencies: {} });
    expect(() => analysisOf([])).not.toThrow();
  });
});

test("a stall of the client shows in the latency from the schedule alone", () => {
  const records = even(200, 0.05).map((r, i) =>
    i >= 100 && i < 140 ? { ...r, sentS: Math.max(r.scheduledS!, 140 * 0.05) } : r,
  );
  const { e2e, e2eFromSchedule, ttftFromSchedule } = analysisOf(records).latencies;
  expect(e2e!.distribution.percentiles[95]).toBeCloseTo(0.2, 9);
  expect(e2eFromSchedule!.distribution.percentiles[95]).toBeGreaterThan(1.2);
  expect(ttftFromSchedule!.distribution.max).toBeCloseTo(0.1 + 2, 9);
});

describe("tokens", () => {
  test("where events carry several, the gap a token is told beside the gap an event", () => {
    const records = even(40, 0.1, 6).map((r) => ({ ...r, outputLen: 24, ...usage(24) }));
    const { latencies, tokens } = analysisOf(records);
    expect(tokens.perEvent).toBe(4);
    expect(latencies.itl!.distribution.mean).toBeCloseTo(0.01, 9);
    expect(latencies.itlPerToken!.distribution.mean).toBeCloseTo(0.0025, 9);
    expect(latencies.tpot!.distribution.mean).toBeCloseTo(0.05 / 23, 9);
    expect(analysisOf(even(40, 0.1)).latencies.itlPerToken).toBeUndefined();
  });

  test("one event for each token asked for is believed more than the text", () => {
    const found = analysisOf(even(40, 0.1), { retokenized: () => 9 });
    expect(found.throughput.outputTokens.perS).toBeCloseTo(44, 9);
  });

  test("counts that disagree are warned of", () => {
    expect(analysisOf(even(30, 0.1)).tokens.warnings).toEqual([]);
    const fewer = analysisOf(even(30, 0.1).map((r) => ({ ...r, ...usage(10) }))).tokens;
    expect(fewer).toMatchObject({ requested: 330, reported: 300, retokenized: 330 });
    expect(fewer.warnings[0]).toStartWith("the server reports 300 output tokens where 330 were");
    expect(fewer.warnings[1]).toStartWith("the text holds 330 tokens where 300 were reported");
    const gibberish = analysisOf(even(30, 0.1), { retokenized: () => 20 }).tokens.warnings;
    expect(gibberish).toEqual([
      expect.stringContaining("holds 600 tokens where 330 were asked for"),
    ]);
    // Where answers may end early, nothing says how long they are to be.
    const free = { exactOutput: false };
    expect(
      analysisOf(even(30, 0.1), { options: free, retokenized: () => 20 }).tokens.warnings,
    ).toEqual([]);
  });
});

test("a steady stream has the rates it was made with, and Little's law holds", () => {
  const found = analysisOf(even(200, 0.05), { durationS: 10.15 });
  if (!found.steady.state) throw new Error(found.steady.reason);
  const { window, requestsPerS, outputTokensPerS, littlesLaw, latencies } = found.steady.state;
  expect(window.concurrency).toBeCloseTo(4, 1);
  expect(requestsPerS).toBeCloseTo(20, 0);
  expect(outputTokensPerS).toBeCloseTo(220, -1);
  expect(littlesLaw.holds).toBe(true);
  expect(latencies.e2e!.distribution.mean).toBeCloseTo(0.2, 9);
});

test("goodput counts the successes that met all objectives, of all that was sent", () => {
  const slow = { ...even(1, 1)[0]!, latencyS: 3 };
  const failed = { ...even(1, 1)[0]!, failure: { class: "timeout", message: "" } as const };
  const records = [...even(6, 0.1), slow, failed];
  const found = analysisOf(records, { goodput: { e2el: 500, ttft: 100 } }).goodput;
  expect(found).toMatchObject({ met: 6, perS: 0.6, share: 0.75 });
  expect(analysisOf(records).goodput).toBeNull();
});

const invalid = (more: Partial<RequestRecord>[], client: ClientCost | null) =>
  analysisOf(more, { client }).client.invalid;
const late = (lagS: number) =>
  even(100, 0.05).map((r, i) => (i % 20 === 0 ? { ...r, sentS: r.sentS! + lagS } : r));

describe("a run is INVALID", () => {
  const fine: ClientCost = {
    threads: 1,
    cpuS: 1,
    waitS: { p50: 0, p99: 0.5, max: 1 },
    lateS: { p50: 0, p99: 0.0005, max: 0.1 },
  };

  test("when requests were sent late, measured by their latency", () => {
    expect(invalid(late(0.009), fine)).toEqual([]);
    expect(invalid(late(0.02), fine)).toEqual([
      "requests were sent late: p99 20.00 ms, over 10.00 ms (10 % of the median TTFT, at least 1 ms)",
    ]);
  });

  test("but not for the wait under a limit of concurrency", () => {
    const waited = late(0.02).map((record) => ({ ...record, readyS: record.sentS! }));
    expect(invalid(waited, fine)).toEqual([]);
  });

  test("when replies were stamped late, or the network thread had no time left", () => {
    expect(
      invalid(even(100, 0.05), { ...fine, lateS: { ...fine.lateS, p99: 0.002 } })[0],
    ).toStartWith("replies were stamped late: p99 2.00 ms, over 1.00 ms");
    expect(invalid(even(100, 0.05), { ...fine, cpuS: 9.5 })).toEqual([
      "the network threads were busy for 95 % of the run",
    ]);
    expect(invalid(even(100, 0.05), { ...fine, cpuS: 9.5, threads: 2 })).toEqual([]);
  });

  test("and says so in the table and in the line", () => {
    const found = analysisOf(late(0.02), { client: fine });
    expect(analysisTable(found)).toContain("\nINVALID: requests were sent late: ");
    expect(analysisFields(found)).toMatchObject({ valid: false });
    const valid = analysisOf(even(100, 0.05), { client: fine });
    expect(analysisTable(valid)).toContain("Run:                                     valid");
    expect(analysisFields(valid)).toMatchObject({ valid: true, invalid_reasons: [] });
  });
});

test("the table says what the sample cannot carry, and how many requests it needs", () => {
  const text = analysisTable(analysisOf(even(150, 0.05)));
  expect(text).toContain("p95 needs 200, p99 needs 1000, p99.9 needs 10000");
  expect(text).toMatch(/^TTFT {12} {4}100\.00 {4}100\.00 {4}100\.00 {9}- {9}- {9}- {4}100\.00$/m);
});

const runOf = (count: number) => {
  const m = measured(even(count, 0.05), {});
  const load = computeLoadFigures(m);
  const analysis = analyse(m, { durationS: 10, client: null }, load, {
    seed: 1,
    goodput: {},
  });
  return { metrics: computeMetrics(m, 10), load, analysis };
};

test("runs together: figures that each of them has", () => {
  const together = acrossRuns([runOf(100), runOf(120)]);
  expect(together["request_throughput"]).toMatchObject({ values: 2, mean: 11 });
  expect(together["mean_ttft_ms"]!.mean).toBeCloseTo(100, 6);
  expect(together["p99_ttft_ms"]).toBeUndefined();
});
