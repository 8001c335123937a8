/** Proves the whole client against a mock server: counts, failures by class, several rates, interruption. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultOptions, runBench } from "../../src/bench/index.ts";
import type { BenchOptions, RequestRecord } from "../../src/bench/index.ts";
import { burst, paced, replay, response, startMock, tokenEvent } from "./mock/server.ts";
import type { MockHandler, MockServer } from "./mock/server.ts";
import { UsageError, UserError } from "../../src/user-error.ts";
import { captureIo } from "./support.ts";

let folder: string;
let outputFile: string;
let runs = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-run-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

let server: MockServer | undefined;
afterEach(() => server?.close());

/** Starts a server and gives the options of a small run against it. */
async function against(
  handler: MockHandler,
  more: Partial<BenchOptions> = {},
): Promise<BenchOptions> {
  server = await startMock(handler);
  outputFile = join(folder, `${runs++}.jsonl`);
  return {
    ...defaultOptions,
    host: "127.0.0.1",
    port: server.port,
    datasetName: "random-ids",
    numPrompts: 6,
    randomInputLen: 8,
    randomOutputLen: 4,
    randomRangeRatio: 1,
    outputFile,
    ...more,
  };
}

type Line = Record<string, unknown>;
const jsonLines = (path: string): Line[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line.replaceAll(/: (NaN|-?Infinity)/g, ': "$1"')) as Line);

/** Serves the warm-up well, then request i with `handlers[i]`. */
function afterWarmUp(handlers: readonly MockHandler[]): MockHandler {
  let served = -1;
  return (request, socket) => (served++ < 0 ? burst : handlers[served - 1]!)(request, socket);
}

const promptIds = (body: string): number[] => (JSON.parse(body) as { prompt: number[] }).prompt;

/** Sums and differences of doubles are off by much less. */
const roundingS = 1e-9;

describe("a run", () => {
  test("sends the warm-up and every request once, and reports", async () => {
    const options = await against(paced({ ttftMs: 5, itlMs: 2 }));
    const io = captureIo();
    const outcome = await runBench(options, io);
    expect(outcome).toMatchObject({ exitCode: 0, outputFile });
    expect(server!.requests).toHaveLength(7);
    expect(server!.connections()).toBe(8); // and one for /v1/models
    expect(server!.requests[0]!.body).toBe(server!.requests[1]!.body);
    expect(io.err()).toBe("");
    expect(io.out()).toContain(
      "#Input tokens: 48\n#Output tokens: 24\nStarting initial single prompt test run...\n",
    );
    expect(io.out()).toContain("Successful requests:                     6         \n");
    expect(jsonLines(outputFile)).toMatchObject([
      {
        backend: "sglang",
        request_rate: "Infinity",
        total_input_tokens: 48,
        total_output_tokens: 24,
        total_output_tokens_retokenized: 24,
        completed: 6,
        model: "tok",
        dataset_source: "random ids",
        interrupted: false,
        failed: {},
      },
    ]);
  });

  test("the published cut pipelines find their figures", async () => {
    for (const compat of ["0.2.13", "0.2.7"] as const) {
      const { runs: results } = await runBench(await against(burst, { compat }), captureIo());
      const line = readFileSync(outputFile, "utf8");
      const field = (number: number): number => Number(line.split(":")[number - 1]!.split(",")[0]);
      expect(field(12)).toBe(results[0]!.metrics.outputThroughput);
      expect(field(9)).toBe(results[0]!.metrics.medianE2eLatencyMs);
      await server!.close();
    }
  });

  test("latencies hold at least what the server waited", async () => {
    const options = await against(paced({ ttftMs: 30, itlMs: 10 }), {
      recordsFile: join(folder, "records"),
    });
    await runBench(options, captureIo());
    const records = jsonLines(join(folder, "records")) as unknown as RequestRecord[];
    const indices = records.map((record) => record.index);
    expect(indices.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { ttftS, latencyS, itlsS, firstByteS, sentS, text, outputLen } of records) {
      expect(sentS).toBeGreaterThanOrEqual(0);
      expect(ttftS).toBeGreaterThanOrEqual(0.029);
      expect(firstByteS!).toBeLessThanOrEqual(ttftS);
      expect(itlsS).toHaveLength(outputLen - 1);
      const untilLastTokenS = itlsS.reduce((a, b) => a + b, ttftS);
      expect(latencyS).toBeGreaterThanOrEqual(untilLastTokenS - roundingS);
      expect(text).toBe(" hello".repeat(outputLen));
    }
  });

  test("requests are never sent before they are due, and in order", async () => {
    const options = await against(burst, {
      numPrompts: 40,
      requestRate: { perSecond: 400, integer: false },
    });
    const { runs: results } = await runBench(options, captureIo());
    const { records } = results[0]!;
    expect(records.map((r) => r.scheduledS)).toEqual(
      records.map((r) => r.scheduledS).sort((a, b) => a - b),
    );
    for (const { sentS, scheduledS } of records)
      expect(sentS).toBeGreaterThanOrEqual(scheduledS - roundingS);
  });

  test("requests to a host by name arrive in order too, when all are sent at once", async () => {
    const options = await against(burst, {
      host: "localhost",
      numPrompts: 200,
      randomRangeRatio: 0,
    });
    const { runs: results } = await runBench(options, captureIo());
    const arrived = server!.requests.slice(1).map(({ body }) => promptIds(body).length);
    expect(arrived).toEqual(results[0]!.records.map(({ promptLen }) => promptLen));
  });

  test("--multi runs each rate with a warm-up and a line of its own, integers as integers", async () => {
    const options = await against(burst, { multi: true, requestRateRange: "500,900,400,1000" });
    const io = captureIo();
    const { exitCode } = await runBench(options, io);
    expect(exitCode).toBe(0);
    expect(server!.requests).toHaveLength(4 * 7);
    expect(jsonLines(outputFile).map((line) => line["request_rate"])).toEqual([
      500, 900, 400, 1000,
    ]);
    expect(io.out().match(/Traffic request rate: .*/g)![0]).toEndWith(" 500       ");
    expect(io.out().match(/Initial test run completed/g)).toHaveLength(4);
  });

  test("--num-runs: each run has a line, the last one what all say together", async () => {
    const options = await against(burst, { numRuns: 3, recordsFile: join(folder, "of-three") });
    const io = captureIo();
    await runBench(options, io);
    expect(server!.requests).toHaveLength(3 * 7);
    const lines = jsonLines(outputFile);
    expect(lines.map(({ run, num_runs: of }) => [run, of])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    expect(lines.map((line) => "across_runs" in line)).toEqual([false, false, true]);
    expect(io.out()).toContain("3 runs: mean, 95 % of it, CV");
    expect(io.out()).toMatch(/Valid runs: +[0-3] of 3/);
    const labels = jsonLines(join(folder, "of-three")).map((line) => [
      line["run"],
      line["startedAt"],
    ]);
    expect(labels).toEqual(
      lines.flatMap((line) => Array.from({ length: 6 }, () => [line["run"], line["started_at"]])),
    );
  });

  test("what cannot be written is said, printed and exit code 1; the run is not lost", async () => {
    const options = await against(burst, {
      outputFile: "/dev/full",
      recordsFile: "/dev/full",
      saveResult: true,
      resultDir: folder,
      resultFilename: "vllm.json",
    });
    const io = captureIo();
    const { exitCode } = await runBench(options, io);
    expect(exitCode).toBe(1);
    expect(io.err().match(/^--(records|output-file|save-result): .*/gm)).toEqual([
      expect.stringContaining("--records: cannot write '/dev/full': ENOSPC"),
      expect.stringContaining("--output-file: cannot write '/dev/full': ENOSPC"),
      expect.stringContaining("--save-result: wrote"),
    ]);
    const printed = io
      .out()
      .split("\n")
      .find((line) => line.startsWith("{"))!;
    expect(JSON.parse(printed.replaceAll("Infinity", "0"))).toMatchObject({ completed: 6 });
    const saved = JSON.parse(readFileSync(join(folder, "vllm.json"), "utf8")) as Line;
    expect(saved).toMatchObject({ completed: 6, failed: 0, total_output_tokens: 24 });
  });

  test("headers given replace the usual ones, the key is sent as bearer token", async () => {
    const headers = [
      ["accept", "text/x"],
      ["X-Trace", "1"],
    ] as const;
    await runBench(await against(burst, { headers, apiKey: "secret" }), captureIo());
    const sent = server!.requests[0]!.headers;
    expect([sent.get("accept"), sent.get("x-trace"), sent.get("authorization")]).toEqual([
      "text/x",
      "1",
      "Bearer secret",
    ]);
  });

  test("--base-url may have a path", async () => {
    const options = await against(burst);
    await runBench({ ...options, baseUrl: `http://localhost:${server!.port}/pre/` }, captureIo());
    expect(server!.requests.map((request) => request.path)).toEqual(
      Array(7).fill("/pre/v1/completions"),
    );
  });

  test("a tokenizer without chat template is warned of", async () => {
    const io = captureIo();
    const plain = { ...(await io.loadTokenizer("")), hasChatTemplate: false };
    await runBench(await against(burst), { ...io, loadTokenizer: () => Promise.resolve(plain) });
    expect(io.out()).toStartWith(
      "\nWARNING It is recommended to use the `Chat` or `Instruct` model",
    );
  });

  test("progress is drawn on a terminal alone", async () => {
    const io = captureIo();
    await runBench(await against(burst), { ...io, isTerminal: true });
    expect(io.err()).toContain("\r100% [####################] 6/6");
    const silent = captureIo();
    await runBench(
      { ...(await against(burst)), disableTqdm: true },
      { ...silent, isTerminal: true },
    );
    expect(silent.err()).toBe("");
  });
});

const plain: MockHandler = (_, socket) =>
  void socket.write(response(400, {}, '{"message": "too long"}'));
const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const bytes = (text: string): MockHandler => replay(Buffer.from(text), []);

const noTokenizer = () => Promise.reject(new Error("no such folder"));

describe("failures", () => {
  test("are counted by class, and the successes still count", async () => {
    const handlers = [
      burst,
      plain,
      bytes("HTTP/1.1 503 Busy\r\n\r\n"),
      bytes(`${head}${tokenEvent("a")}data: {"error": {"message": "boom"}}\n\n`),
      bytes(`HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n${tokenEvent("a")}`),
      bytes(head),
      bytes("garbage\r\n\r\n"),
      ((_, socket) => void socket.destroy()) as MockHandler,
    ];
    const options = await against(afterWarmUp(handlers), { numPrompts: handlers.length });
    const io = captureIo();
    const { exitCode } = await runBench(options, io);
    expect(exitCode).toBe(0);
    expect(jsonLines(outputFile)[0]).toMatchObject({
      completed: 1,
      total_output_tokens: 4,
      failed: {
        "http 400": 1,
        "http 503": 1,
        "error event": 1,
        "cut off": 1,
        connection: 1,
        empty: 1,
        malformed: 1,
      },
    });
    expect(io.out()).toContain(
      'Failed, http 400:                        1         \n  Reason: {"message": "too long"}\n',
    );
    expect(io.out()).toContain("  boom\n");
  });

  test("--output-details ends the line with a list for each thing, a value for each request", async () => {
    const options = await against(afterWarmUp([burst, plain]), {
      numPrompts: 2,
      outputDetails: true,
    });
    const { runs: results } = await runBench(options, captureIo());
    const [line] = jsonLines(outputFile);
    const [first] = results[0]!.records;
    expect(Object.entries(line!).slice(-7)).toEqual([
      ["goodput", null],
      ["input_lens", [8, 8]],
      ["output_lens", [4, 0]],
      ["ttfts", [first!.ttftS, 0]],
      ["itls", [first!.itlsS, []]],
      ["generated_texts", [" hello hello hello hello", ""]],
      ["errors", ["", 'http 400, Reason: {"message": "too long"}']],
    ]);
  });

  test("a server that refuses connections", async () => {
    const options = await against(burst, { model: "tok" });
    await server!.close();
    const io = captureIo();
    const failure = await runBench(options, io).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as Error).message).toContain(
      "Initial test run failed - Please make sure benchmark arguments are correctly specified. Error: connection, cannot connect to 127.0.0.1:",
    );
    expect(existsSync(outputFile)).toBe(false);
  });

  test("all requests failed: a line with NaN, and exit code 1", async () => {
    const options = await against(afterWarmUp(Array<MockHandler>(6).fill(plain)));
    const io = captureIo();
    const { exitCode } = await runBench(options, io);
    expect(exitCode).toBe(1);
    expect(io.err()).toStartWith("All requests failed at request rate inf.");
    expect(io.out()).toContain("Mean E2E Latency (ms):                   nan       \n");
    expect(jsonLines(outputFile)[0]).toMatchObject({
      completed: 0,
      mean_e2e_latency_ms: "NaN",
      median_ttft_ms: 0,
    });
  });

  test.each<[string, Partial<BenchOptions>, string, typeof UserError?]>([
    [
      "no model listed",
      { baseUrl: "http://127.0.0.1:1" },
      "Failed to fetch model from http://127.0.0.1:1/v1/models. Error: ",
      UserError,
    ],
    [
      "trt without a model",
      { backend: "trt" },
      "Please provide a model using `--model` when using `trt` backend.",
    ],
    ["trt with ids", { backend: "trt", model: "m" }, "--dataset-name: random-ids"],
    ["a base url that is none", { baseUrl: "localhost" }, "--base-url: 'localhost'"],
    ["no prompts", { numPrompts: 0 }, "--num-prompts: 0"],
    ["a rate of 0", { requestRate: { perSecond: 0, integer: false } }, "--request-rate: 0"],
    ["a seed below 0", { seed: -1 }, "--seed: -1"],
    [
      "an output file in no folder",
      { outputFile: "/nonexistent/x.jsonl" },
      "--output-file: cannot write '/nonexistent/x.jsonl'",
      UserError,
    ],
    [
      "an output file that is a folder",
      { outputFile: tmpdir() },
      `--output-file: '${tmpdir()}' is a folder`,
      UserError,
    ],
    [
      "rates that are none",
      { multi: true, requestRateRange: "fast" },
      "--request-rate-range: 'fast'",
    ],
  ])("%s: a sentence of the right kind", async (_, wrong, sentence, kind = UsageError) => {
    const options = await against(burst, wrong);
    const failure = await runBench(options, captureIo()).catch((error: unknown) => error);
    expect((failure as Error).constructor).toBe(kind);
    expect((failure as Error).message).toStartWith(sentence);
    expect(server!.requests).toHaveLength(0);
  });

  test("a tokenizer that cannot be loaded", async () => {
    const run = runBench(await against(burst), { ...captureIo(), loadTokenizer: noTokenizer });
    expect(run).rejects.toThrow(
      "cannot load the tokenizer 'tok': no such folder\nName another with --tokenizer (a folder, org/name of the Hub or a preset).",
    );
  });
});

describe("interruption", () => {
  test("keeps what was measured, closes the connections and says so", async () => {
    const io = captureIo();
    const closings: Promise<unknown>[] = [];
    const hang: MockHandler = (_, socket) => {
      closings.push(new Promise((resolve) => socket.on("close", resolve)));
      if (server!.requests.length === 6) setTimeout(() => io.controller.abort(), 50);
    };
    const handlers = [burst, burst, hang, hang, hang];
    const options = await against(afterWarmUp(handlers), { numPrompts: 5 });
    const outcome = await runBench(options, io);
    expect(outcome.exitCode).toBe(130);
    expect(outcome.runs[0]!.metrics.completed).toBe(2);
    expect(io.out()).toContain("Interrupted: the figures are those of a part of the run.");
    expect(jsonLines(outputFile)[0]).toMatchObject({
      completed: 2,
      interrupted: true,
      failed: { interrupted: 3 },
    });
    expect(await Promise.all(closings)).toHaveLength(3);
  });

  test("stops sending", async () => {
    const io = captureIo();
    const abortAtSecond: MockHandler = (request, socket) => {
      if (server!.requests.length === 2) io.controller.abort();
      return burst(request, socket);
    };
    const options = await against(abortAtSecond, {
      requestRate: { perSecond: 0.001, integer: false },
    });
    const { exitCode, runs: results } = await runBench(options, io);
    expect(exitCode).toBe(130);
    expect(results[0]!.load.sent).toBe(1);
    expect(jsonLines(outputFile)[0]).toMatchObject({ sent: 1, planned: 6, interrupted: true });
  });

  test("before the measurement leaves nothing", async () => {
    const io = captureIo();
    const options = await against(() => io.controller.abort());
    const outcome = await runBench({ ...options, multi: true }, io);
    expect(outcome).toEqual({ exitCode: 130, runs: [], outputFile: null });
    expect(existsSync(outputFile)).toBe(false);
  });
});
