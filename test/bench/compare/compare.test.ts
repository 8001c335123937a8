/** Proves that differences are found where there are some, and none are claimed where there is nothing but chance. */
import { describe, expect, test } from "bun:test";
import { type Comparison, compareRuns } from "../../../src/bench/compare/compare.ts";
import { applyGates, parseGate } from "../../../src/bench/compare/gate.ts";
import { drawFigure, intervalOf, seeded } from "../../../src/bench/compare/resample.ts";
import { welch } from "../../../src/bench/compare/welch.ts";
import { comparisonJson, comparisonText } from "../../../src/bench/compare/text.ts";
import { latencyFigure, throughputs } from "../../../src/bench/results/figures.ts";
import { type Imagined, imagine, recordedRun, saved, savedRun } from "../results/support.ts";

describe("Welch's t", () => {
  // scipy.stats 1.17.1: ttest_ind(equal_var=False) and its confidence_interval().
  test("Welch's difference", () => {
    const result = welch([10, 11, 12], [13, 15, 17]);
    expect(result.difference).toBe(4);
    expect(result.p).toBeCloseTo(0.054786766041076435, 12);
    expect(result.interval.low).toBeCloseTo(-0.1553995031825055, 9);
    expect(result.interval.high).toBeCloseTo(8.155399503182505, 9);
    expect(welch([1, 1], [1, 1]).p).toBe(1);
    expect(welch([1, 1], [2, 2])).toMatchObject({ p: 0, difference: 1 });
  });
});

describe("resampling", () => {
  test("an interval of the mean is that of theory where values are independent", () => {
    const run = recordedRun(imagine({ requests: 2000, seed: "theory" }));
    const draws = drawFigure(latencyFigure("ttft", "mean"), run, seeded("x")) as Float64Array;
    const { low, high } = intervalOf(draws);
    const expected = (2 * 1.96 * 25) / Math.sqrt(2000); // the deviation of 50 ms * (0.5 + exponential / 2)
    expect((high - low) / expected).toBeWithin(0.85, 1.15);
  });

  test("intervals hold the truth about as often as they say", () => {
    const truth = 50 * (0.5 + Math.LN2 / 2);
    let held = 0;
    for (let i = 0; i < 100; i++) {
      const run = recordedRun(imagine({ requests: 200, seed: `cover ${i}`, tokens: 2 }));
      const draws = drawFigure(latencyFigure("ttft", 50), run, seeded("x")) as Float64Array;
      const { low, high } = intervalOf(draws);
      if (low <= truth && truth <= high) held++;
    }
    expect(held).toBeWithin(88, 101);
  });

  test("a quantile drawn with weights is the percentile of what was drawn", () => {
    // With a block as long as the run allows, each draw is a quarter, four times.
    const run = recordedRun(imagine({ requests: 40 }));
    const figure = latencyFigure("itl", 90);
    const draws = drawFigure(figure, run, seeded("y")) as Float64Array;
    const values = Array.from(run.indices(), (i) => [...run.gapsOf(i)]).flat();
    const [low, high] = [1000 * Math.min(...values), 1000 * Math.max(...values)];
    for (const draw of draws) expect(draw).toBeWithin(low, high);
  });

  test("what cannot be carried by the sample is refused, with what it would take", () => {
    const imagined = imagine({ requests: 100 });
    const run = recordedRun(imagined);
    const first = (count: number) =>
      recordedRun({ recordLines: imagined.recordLines.slice(0, count) });
    const refused = (figure: Parameters<typeof drawFigure>[0], of = run) =>
      (drawFigure(figure, of, seeded("")) as { refused: string }).refused;
    expect(refused(latencyFigure("ttft", 99))).toBe("p99 needs 1000 values, not 100");
    expect(refused(latencyFigure("ttft", "max"))).toBe("not for this figure");
    expect(refused(throughputs[0]!, first(1))).toMatch(/too few/);
    expect(refused(latencyFigure("ttft", 50), first(5))).toMatch(/^5 requests are too few/);
    const long = recordedRun(imagine({ requests: 100, tokens: 12 }));
    expect(refused(latencyFigure("itl", 99), long)).toBeUndefined();
  });
});

function comparing(
  a: readonly Imagined[],
  b: readonly Imagined[],
  withRecords: boolean,
): Comparison {
  const sideA = saved(a.map(imagine), "a.jsonl");
  const sideB = saved(b.map(imagine), "b.jsonl");
  const records = withRecords ? new Map([...sideA.records, ...sideB.records]) : new Map();
  return compareRuns(sideA.runs, sideB.runs, records);
}
const verdicts = ({ pairs }: Comparison) =>
  Object.fromEntries(pairs[0]!.differences.map(({ figure, verdict }) => [figure.name, verdict]));

const told = (p50: number, half: number): Imagined => ({
  fields: {
    median_ttft_ms: p50,
    latencies: { ttft: { p50_ms: p50, p50_ci_ms: [p50 - half, p50 + half] } },
  },
});
const medianTtft = (a: Imagined, b: Imagined) =>
  comparing([a], [b], false).pairs[0]!.differences.find(
    ({ figure }) => figure.name === "ttft_p50",
  )!;

describe("comparison", () => {
  const slower = { ttftMs: 65, seed: "2" };

  test("with records a single run tells a difference from chance", () => {
    const found = verdicts(comparing([{}], [slower], true));
    expect(found["ttft_mean"]).toBe("worse");
    expect(found["ttft_p50"]).toBe("worse");
    expect(found["itl_mean"]).toBe("same");
    expect(verdicts(comparing([slower], [{}], true))["ttft_mean"]).toBe("better");
    expect(found["ttft_p99"]).toBe("unknown"); // 200 requests do not carry it
  });

  test("the same thing twice shows no difference, but by the chance that is stated", () => {
    const wrong = Array.from({ length: 20 }, (_, i) =>
      Object.values(verdicts(comparing([{ seed: `s${i}` }], [{ seed: `t${i}` }], true))),
    ).flat();
    const claimed = wrong.filter((verdict) => verdict === "better" || verdict === "worse").length;
    expect(claimed / wrong.length).toBeLessThan(0.09);
  });

  test("with several runs a side it is Welch's t", () => {
    const a = ["1", "2", "3"].map((seed) => ({ seed }));
    const b = ["4", "5", "6"].map((seed) => ({ seed, ttftMs: 65 }));
    const { differences } = comparing(a, b, true).pairs[0]!;
    const ttft = differences.find(({ figure }) => figure.name === "ttft_mean")!;
    expect(ttft.method).toBe("Welch's t, 3 and 3 runs");
    expect(ttft.verdict).toBe("worse");
  });

  test("single lines: the change, and that nothing can be said about it", () => {
    const comparison = comparing([{}], [slower], false);
    const known = Object.values(verdicts(comparison)).filter((verdict) => verdict !== "same");
    expect(new Set(known)).toEqual(new Set(["unknown"]));
    const text = comparisonText(comparison, []);
    expect(text).toContain("Nothing can be said about significance: no records and a single run.");
    expect(text).toMatch(/Mean TTFT \(ms\) +\d+\.\d\d +\d+\.\d\d +\+\d/);
  });

  test("lines that tell intervals are judged by them", () => {
    expect(medianTtft(told(100, 3), told(110, 4))).toMatchObject({
      verdict: "worse",
      interval: { low: 5, high: 15 },
      method: "the intervals of the two result lines",
    });
    expect(medianTtft(told(100, 3), told(110, 4)).p).toBeCloseTo(8.86e-5, 6); // 2 (1 - Phi(10 / (5 / 1.96)))
    expect(medianTtft(told(100, 3), told(104, 4)).verdict).toBe("same");
    expect(medianTtft(told(100, 3), { fields: {} }).verdict).toBe("unknown");
  });

  test("runs are matched by load; other servers are named, other loads stay apart", () => {
    const rates = [1, 2, 4].map((perSecond) => ({ perSecond, requests: 20 }));
    const vllm = { fields: { backend: "vllm" } };
    const comparison = comparing(
      rates,
      [{ ...rates[2]!, ...vllm }, { ...rates[0]!, ...vllm }, { perSecond: 8 }, { perSecond: 16 }],
      false,
    );
    expect(comparison.pairs.map(({ a }) => a.configuration.rate)).toEqual(["1", "4"]);
    expect(comparison.pairs.map(({ b }) => b.configuration.rate)).toEqual(["1", "4"]);
    expect(comparison.onlyA.map(({ configuration }) => configuration.rate)).toEqual(["2"]);
    expect(comparison.onlyB.map(({ configuration }) => configuration.rate)).toEqual(["8", "16"]);
    const text = comparisonText(comparison, []);
    expect(text).toContain("Not the same backend: sglang in A, vllm in B.");
    expect(text).toContain("Only in A: ");
  });

  test("one run each is compared whatever it was, with the mismatches named", () => {
    const comparison = comparing([{ perSecond: 4 }], [{ perSecond: 8, requests: 100 }], false);
    expect(comparison.pairs[0]!.mismatches).toEqual([
      { part: "rate", a: "4", b: "8" },
      { part: "requests", a: "200", b: "100" },
    ]);
  });

  test("failures and marks are told", () => {
    const { pairs } = comparing([{ failing: 20 }], [{ failing: 100 }], false);
    expect(pairs[0]!.warnings[0]).toMatch(/^A, line 1 of a\.jsonl: \d+ of 200 requests failed; /);
    expect(pairs[0]!.warnings[1]).toBe("B, line 1 of b.jsonl: all requests failed.");
    expect(pairs[0]!.differences.map(({ figure }) => figure.name)).toContain("error_rate");
    expect(pairs[0]!.differences.map(({ figure }) => figure.name)).not.toContain("ttft_mean");
  });

  test("as data it holds the same", () => {
    const comparison = comparing([{}], [slower], true);
    const data = JSON.parse(JSON.stringify(comparisonJson(comparison, []))) as {
      pairs: { figures: { name: string; interval: number[]; verdict: string }[] }[];
    };
    const ttft = data.pairs[0]!.figures.find(({ name }) => name === "ttft_mean")!;
    expect(ttft.verdict).toBe("worse");
    expect(ttft.interval[0]).toBeGreaterThan(0);
  });

  test("lines of bench_serving compare too", () => {
    const python =
      '{"backend": "sglang", "dataset_name": "random", "request_rate": Infinity, "total_input": 1, "median_e2e_latency": 9.5, "output_token_throughput": 100.5}';
    const run = savedRun({ line: python });
    const { differences } = compareRuns([run], [run], new Map()).pairs[0]!;
    expect(differences.map(({ figure }) => figure.name)).toEqual(["output_throughput", "e2e_p50"]);
    expect(differences.every(({ verdict }) => verdict === "same")).toBe(true);
  });
});

const judge = (comparison: Comparison, text: string, strict = false) =>
  applyGates(comparison, [parseGate(text)], strict)[0]!;

describe("gates", () => {
  test("conditions are read, and those that make no sense refused", () => {
    expect(parseGate("output_throughput<-5%")).toMatchObject({
      direction: "<",
      limit: -5,
      relative: true,
    });
    expect(parseGate(" p99_ttft_ms > 0.5s ")).toMatchObject({ limit: 500, relative: false });
    expect(parseGate("error_rate>1%")).toMatchObject({ limit: 1, relative: false });
    expect(() => parseGate("output_throughput<5%")).toThrow(
      /nothing has changed; did you mean "output_throughput<-5%"/,
    );
    expect(() => parseGate("ttft_p99>-3ms")).toThrow(/did you mean "ttft_p99>3ms"/);
    expect(() => parseGate("output_throughput>5ms")).toThrow(/is in tok\/s, not in ms/);
    expect(() => parseGate("throughput<-5%")).toThrow(/is not a figure/);
    expect(() => parseGate("ttft_p99")).toThrow(/is no condition/);
  });

  test("a change beyond the limit fails, one within passes", () => {
    const comparison = comparing([{}], [{ ttftMs: 65, seed: "2" }], true);
    expect(judge(comparison, "ttft_mean>10%").failed).toBe(true);
    expect(judge(comparison, "ttft_mean>10ms").failed).toBe(true);
    expect(judge(comparison, "ttft_mean>60%").failed).toBe(false);
    expect(judge(comparison, "regression")).toMatchObject({ failed: true });
    expect(judge(comparing([{}], [{}], true), "regression").failed).toBe(false);
  });

  test("chance is forgiven unless asked not to; the unknown is not", () => {
    const a = [{ seed: "1" }];
    const b = [{ seed: "3", ttftMs: 51 }];
    const known = comparing(a, b, true);
    const { change, verdict } = known.pairs[0]!.differences.find(
      ({ figure }) => figure.name === "ttft_p50",
    )!;
    expect(verdict).toBe("same");
    const condition = change > 0 ? "ttft_p50>0%" : "ttft_p50<0%";
    expect(judge(known, condition)).toMatchObject({ failed: false });
    expect(judge(known, condition).reason).toContain("may be chance");
    expect(judge(known, condition, true).failed).toBe(true);
    const unknown = judge(comparing(a, b, false), condition);
    expect(unknown).toMatchObject({ failed: true });
    expect(unknown.reason).toContain("nothing is known about chance");
  });

  test("a gate that cannot be judged is an error, not a pass", () => {
    const comparison = comparing([{}], [{}], false);
    expect(() => judge(comparison, "ttft_p99.9>5%")).toThrow(/not in both runs.*--records/);
    expect(() => judge(comparing([{}], [{ seed: "9" }], false), "regression")).toThrow(
      /single lines/,
    );
  });
});
