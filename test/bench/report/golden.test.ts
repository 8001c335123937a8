/** Proves that known latencies give bench_serving's table, result line and returned figures, byte for byte. */
import { describe, expect, test } from "bun:test";
import { Measurements } from "../../../src/bench/measurements.ts";
import { computeMetrics } from "../../../src/bench/metrics.ts";
import type { Metrics } from "../../../src/bench/metrics.ts";
import { defaultOptions } from "../../../src/bench/options.ts";
import type { BackendName, Compat } from "../../../src/bench/options.ts";
import { resultFields, resultLine } from "../../../src/bench/report/jsonl.ts";
import { resultTable } from "../../../src/bench/report/table.ts";
import type { RequestRecord } from "../../../src/bench/request.ts";
import { PythonRandom } from "../../../src/bench/random/python.ts";
import tables from "../../fixtures/bench/tables.json" with { type: "json" };
import { absentNote, readShared, sharedPresent } from "../shared.ts";

interface Output {
  success: boolean;
  prompt_len: number;
  output_len: number;
  ttft: number;
  latency: number;
  itl: number[];
  generated_tokens: number;
}
interface Case {
  version: Compat;
  kind: string;
  backend: BackendName;
  request_rate: number | "inf";
  duration: number;
  outputs: Output[];
  stdout: string;
  jsonl: string;
  returned: Record<string, number | null>;
}

const cases = sharedPresent ? readShared<{ metrics: Case[] }>("metrics.json").metrics : [];

function record(output: Output, index: number): RequestRecord {
  return {
    index,
    promptLen: output.prompt_len,
    outputLen: output.output_len,
    scheduledS: 0,
    readyS: 0,
    sentS: 0,
    connectedS: null,
    firstByteS: null,
    ttftS: output.ttft,
    latencyS: output.latency,
    endedS: output.latency,
    itlsS: output.itl,
    text: " hello".repeat(output.generated_tokens),
    usage: null,
    httpStatus: 200,
    failure: output.success ? null : { class: "cut off", message: "" },
  };
}

function measured({ outputs, version }: Pick<Case, "outputs" | "version">): Measurements {
  const gapBeforeFirst = version === "0.2.7";
  const all = new Measurements(outputs.length, { gapBeforeFirst, exactOutput: false });
  outputs.map(record).forEach((r, i) => all.add(r, outputs[i]!.generated_tokens));
  return all;
}

const returned = (metrics: Metrics): Record<string, number> => ({
  duration: metrics.durationS,
  completed: metrics.completed,
  total_input_tokens: metrics.totalInput,
  total_output_tokens: metrics.totalOutput,
  total_output_tokens_retokenized: metrics.totalOutputRetokenized,
  request_throughput: metrics.requestThroughput,
  input_throughput: metrics.inputThroughput,
  output_throughput: metrics.outputThroughput,
  ...Object.fromEntries(
    (["ttft", "tpot", "itl"] as const).flatMap((name) =>
      (["mean", "median", "std", "p99"] as const).map((figure) => [
        `${figure}_${name}_ms`,
        metrics[name][`${figure}Ms`],
      ]),
    ),
  ),
  mean_e2e_latency_ms: metrics.meanE2eLatencyMs,
  median_e2e_latency_ms: metrics.medianE2eLatencyMs,
});

describe.skipIf(!sharedPresent)(`golden metrics${absentNote}`, () => {
  test.each(cases)("$version $kind", (golden) => {
    const metrics = computeMetrics(measured(golden), golden.duration);
    const rate = {
      perSecond: golden.request_rate === "inf" ? Infinity : golden.request_rate,
      integer: false,
    };
    expect(returned(metrics)).toEqual(
      Object.fromEntries(Object.entries(golden.returned).map(([k, v]) => [k, v ?? NaN])),
    );
    const table = resultTable(golden.backend, rate, metrics);
    expect(golden.stdout.slice(golden.stdout.indexOf("\n\n===") + 1)).toBe(table);
    const options = {
      ...defaultOptions,
      backend: golden.backend,
      datasetName: "random" as const,
      compat: golden.version,
    };
    expect(resultLine(resultFields(options, rate, metrics))).toBe(golden.jsonl.trimEnd());
  });
});

/** The results that `scripts/fixtures-requests.py` draws, draw for draw. */
function drawnOutputs({ seed, count, tokens, seconds, failures, tick }: (typeof tables)[number]) {
  const python = new PythonRandom(seed);
  const time = (): number => {
    const value = python.random() * seconds;
    return tick > 0 ? value - (value % tick) + tick : value;
  };
  return Array.from({ length: count }, (): Output => {
    const generated = 1 + Math.trunc(python.random() * tokens);
    const success = python.random() >= failures;
    const ttft = time();
    const promptLen = 1 + Math.trunc(python.random() * 4000);
    const itl = [ttft, ...Array.from({ length: generated - 1 }, time)];
    return {
      success,
      prompt_len: promptLen,
      output_len: generated,
      ttft,
      latency: itl.reduce((sum, gap) => sum + gap, 0),
      itl,
      generated_tokens: generated,
    };
  });
}

describe("drawn results", () => {
  test.each(tables)("$count requests of about $seconds s", (golden) => {
    const outputs = drawnOutputs(golden);
    const metrics = computeMetrics(measured({ outputs, version: "0.2.7" }), golden.duration);
    const rate = { perSecond: golden.rate ?? Infinity, integer: golden.integer };
    expect(resultTable("sglang", rate, metrics)).toBe(golden.table);
    const options = { ...defaultOptions, backend: "sglang", compat: "0.2.7" } as const;
    expect(resultLine(resultFields(options, rate, metrics))).toBe(golden.line.trimEnd());
  });
});
