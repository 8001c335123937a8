/** Proves that a sweep does each run once, whatever comes between, and that a search finds a real server's limit. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultOptions } from "../../../src/bench/index.ts";
import { besideOutput } from "../../../src/bench/results/ledger.ts";
import { parseGoal, withErrorGoal } from "../../../src/bench/sweep/goals.ts";
import { sweep, type SweepPlan, type SweepRun } from "../../../src/bench/sweep/sweep.ts";
import { burst, type MockServer, response, startMock } from "../mock/server.ts";
import { captureIo } from "../support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-sweep-"));
afterAll(() => rmSync(folder, { recursive: true }));
let server: MockServer | undefined;
afterEach(() => server?.close());

/** A reply takes 15 ms for each request that is under way. */
async function slowServer(): Promise<string> {
  let inFlight = 0;
  server = await startMock((request, socket) => {
    if (request.path === "/health") return void socket.end(response(200, {}, ""));
    inFlight++;
    setTimeout(() => {
      inFlight--;
      if (!socket.destroyed) void burst(request, socket);
    }, 15 * inFlight);
  });
  return `http://127.0.0.1:${server.port}`;
}

function runOf(
  maxConcurrency: number,
  number: number,
  recordsFile: string | null = null,
): SweepRun {
  return {
    name: `concurrency ${maxConcurrency}, run ${number}`,
    command: `servebench bench --max-concurrency ${maxConcurrency} --seed ${number}`,
    options: {
      ...defaultOptions,
      datasetName: "random-ids",
      model: "tok",
      numPrompts: 24,
      randomInputLen: 8,
      randomOutputLen: 3,
      randomRangeRatio: 1,
      serverMetrics: false,
      maxConcurrency,
      recordsFile,
    },
  };
}

async function plan(name: string, runs: readonly SweepRun[]): Promise<SweepPlan> {
  const cell = { name: "", runs, at: (value: number, number: number) => runOf(value, number) };
  return {
    servers: [{ kind: "running", baseUrl: await slowServer() }],
    cells: [cell],
    outputFile: join(folder, `${name}.jsonl`),
    search: null,
  };
}
const lines = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");

test("each run of the grid has its line, once; the table and the report's command follow", async () => {
  const grid = await plan("grid", [runOf(1, 1), runOf(2, 1), runOf(2, 2)]);
  const io = captureIo();
  expect(await sweep(grid, io, false)).toBe(0);
  const results = lines(grid.outputFile);
  expect(results).toHaveLength(3);
  expect(results[1]).toContain(
    '"sweep": "concurrency 2, run 1", "command": "servebench bench --max',
  );
  expect(io.out()).toMatch(/---- 2 of 3: concurrency 2, run 1\n24 requests, \d/);
  expect(io.out()).toMatch(/\nconcurrency 2, run 2 +\d/);
  expect(io.out()).toContain("servebench report ");
  server!.requests.splice(0);
  expect(await sweep(grid, captureIo(), false)).toBe(0);
  expect(server!.requests).toEqual([]);
  expect(lines(grid.outputFile)).toEqual(results);
});

test("Ctrl-C keeps what is done; the same command goes on", async () => {
  const grid = await plan("interrupted", [runOf(1, 1), runOf(2, 1), runOf(4, 1)]);
  const io = captureIo();
  const started = io.stdout;
  const interrupting = {
    ...io,
    stdout: (text: string) => {
      started(text);
      if (text.includes("2 of 3")) setTimeout(() => io.controller.abort(), 150);
    },
  };
  expect(await sweep(grid, interrupting, false)).toBe(130);
  expect(lines(grid.outputFile)).toHaveLength(1);
  expect(io.out()).toMatch(/concurrency 2, run 1 +not run/);
  expect(await sweep(grid, captureIo(), false)).toBe(0);
  expect(lines(grid.outputFile).map((line) => /"sweep": "(.*?)"/.exec(line)![1])).toEqual(
    grid.cells[0]!.runs.map(({ name }) => name),
  );
});

test("a dry run sends and writes nothing", async () => {
  const grid = await plan("dry", [runOf(1, 1)]);
  const io = captureIo();
  expect(await sweep(grid, io, true)).toBe(0);
  expect(server!.requests).toEqual([]);
  expect(existsSync(grid.outputFile)).toBe(false);
  expect(io.out()).toContain("servebench bench --max-concurrency 1 --seed 1");
});

test("a run in which all fail is exit 1, its line is put aside, and the others are done", async () => {
  const grid = await plan("failing", [runOf(1, 1), runOf(2, 1)]);
  server!.close();
  let posts = 0;
  server = await startMock((request, socket) => {
    if (request.path === "/health") return void socket.end(response(200, {}, ""));
    // The warm-up, then 24 requests that fail; later all is well.
    if (++posts > 1 && posts <= 25) return void socket.end(response(500, {}, "no"));
    return burst(request, socket);
  });
  const servers = [{ kind: "running", baseUrl: `http://127.0.0.1:${server.port}` }] as const;
  expect(await sweep({ ...grid, servers }, captureIo(), false)).toBe(1);
  expect(lines(grid.outputFile)).toHaveLength(1);
  expect(lines(besideOutput(grid.outputFile, ".incomplete.jsonl"))).toHaveLength(1);
});

test("the search finds the concurrency that a server bears, and knows its runs again", async () => {
  const bounds = { integer: true, start: 1, least: 1, greatest: 64, precision: 0.05, repeats: 2 };
  const goals = withErrorGoal([parseGoal("e2e_p50<52")]);
  const found = await plan("search", []);
  const asked = { ...found, search: { axis: "concurrency", goals, bounds } } as const;
  const io = captureIo();
  expect(await sweep(asked, io, false)).toBe(0);
  // Three at once take up to 45 ms; four take up to 60.
  expect(io.out()).toMatch(
    /The greatest concurrency that meets e2e_p50<52 and error_rate<1%: [23]\n/,
  );
  expect(lines(asked.outputFile)[0]).toMatch(/"slo":\{"e2e_p50":\{"goal":"e2e_p50<52","value":\d/);
  server!.requests.splice(0);
  const again = captureIo();
  expect(await sweep(asked, again, false)).toBe(0);
  expect(server!.requests).toEqual([]);
  expect(/The greatest.*/.exec(again.out())![0]).toBe(/The greatest.*/.exec(io.out())![0]);
  const hopeless = { ...asked, search: { ...asked.search, goals: [parseGoal("e2e_p50<1")] } };
  expect(
    await sweep({ ...hopeless, outputFile: join(folder, "hopeless.jsonl") }, captureIo(), false),
  ).toBe(3);
});
