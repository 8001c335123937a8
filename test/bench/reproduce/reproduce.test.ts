/** Proves that a reproduction does each run once, whatever comes between, against a mock server. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Plan, defaultOptions, reproduce, setAside } from "../../../src/bench/index.ts";
import { readLedger } from "../../../src/bench/reproduce/ledger.ts";
import { commandLine } from "../../../src/bench/command-line.ts";
import { type Series, runName } from "../../../src/bench/reproduce/plan.ts";
import { besideOutput } from "../../../src/bench/results/ledger.ts";
import { clientMachine } from "../../../src/bench/report/client-machine.ts";
import { burst, type MockRequest, type MockServer, response, startMock } from "../mock/server.ts";
import { captureIo } from "../support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-reproduce-"));
afterAll(() => rmSync(folder, { recursive: true }));

let server: MockServer | undefined;
afterEach(() => server?.close());

/** What the mock does with a request of a run; not called for the probe and for health checks. */
let onRun: (outputLen: number) => "answer" | "hang up" = () => "answer";
let dead = false;
afterEach(() => {
  onRun = () => "answer";
  dead = false;
});

/** Output lengths of the runs, which tell them apart from one another and from the probe's 17. */
const outputLens = [3, 4, 5];
const lengthOf = (request: MockRequest) =>
  (JSON.parse(request.body) as { max_tokens: number }).max_tokens;

/** A plan of one system. */
interface Planned extends Plan {
  readonly outputFile: string;
  readonly only: Series;
}

async function plan(name: string): Promise<Planned> {
  server = await startMock((request, socket) => {
    if (dead) return void socket.destroy();
    if (request.path === "/health") return void socket.end(response(200, {}, ""));
    const length = lengthOf(request);
    if (outputLens.includes(length) && onRun(length) === "hang up") return void socket.destroy();
    return burst(request, socket);
  });
  const outputFile = join(folder, `${name}.jsonl`);
  const runs = outputLens.map((randomOutputLen, i) => ({
    recipe: "offline" as const,
    number: i + 1,
    outputFile,
    command: commandLine("bench_serving", ["--random-output-len", String(randomOutputLen)]),
    options: {
      ...defaultOptions,
      datasetName: "random-ids" as const,
      model: "tok",
      numPrompts: 4,
      randomInputLen: 8,
      randomOutputLen,
      randomRangeRatio: 1,
    },
  }));
  const only: Series = {
    system: "mock",
    model: "tok",
    server: { kind: "running", baseUrl: `http://127.0.0.1:${server.port}` },
    memory: null,
    runs,
    logFile: join(folder, `${name}.log`),
  };
  return { series: [only], scale: 1, reportFile: join(folder, name), outputFile, only };
}

/** The same with other series or runs of it. */
const withRuns = (planned: Planned, runs: Series["runs"]): Plan => ({
  ...planned,
  series: [{ ...planned.only, runs }],
});

/** How often each run's requests came, warm-up included, since the last call. */
function seen(): number[] {
  const lengths = server!.requests
    .splice(0)
    .filter(({ path }) => path !== "/health")
    .map(lengthOf);
  return outputLens.map((length) => lengths.filter((l) => l === length).length);
}
const lines = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");

test("does all runs, tabulates, and has nothing left to do", async () => {
  const planned = await plan("all");
  const first = captureIo();
  expect(await reproduce(planned, first, false)).toBe(0);
  expect(seen()).toEqual([5, 5, 5]);
  expect(first.out()).toContain("Estimate from a short probe");
  const results = lines(planned.outputFile);
  expect(results).toHaveLength(3);
  expect(results[1]).toContain('"min_output_len": 4, "max_output_len": 4');
  expect(results[1]).toContain(
    '"recipe": "offline 2", "system": "mock", "command": "servebench bench_serving',
  );
  expect(results[1]).toContain(`"client_machine": "${clientMachine()}"`);
  const second = captureIo();
  expect(await reproduce(planned, second, false)).toBe(0);
  expect(seen()).toEqual([0, 0, 0]);
  expect(lines(planned.outputFile)).toEqual(results);
  expect(second.out()).toMatch(/offline 2 +random ids +inf +4 +\[8, 8\] +\[4, 4\] +[\d.]+ +0\n/);
});

test("what it says the pipeline prints, the pipeline prints", async () => {
  const planned = await plan("cut it");
  const io = captureIo();
  await reproduce(planned, io, false);
  const [, pipeline, printed] = /\$ (.*)\n([^]*?)\nReport: /.exec(io.out())!;
  const ran = Bun.spawnSync(["sh", "-c", pipeline!]);
  expect(printed!).toBe(ran.stdout.toString());
  expect(
    printed!
      .trim()
      .split("\n")
      .map(Number)
      .every((figure) => figure > 0),
  ).toBe(true);
});

test("a dry run sends nothing and writes nothing", async () => {
  const planned = await plan("dry");
  const io = captureIo();
  expect(await reproduce(planned, io, true)).toBe(0);
  expect(server!.requests).toEqual([]);
  expect(existsSync(planned.outputFile)).toBe(false);
  for (const { command } of planned.only.runs)
    expect(io.out()).toContain(`\n  ${command} --base-url `);
});

test("an interrupted run is kept aside and done again", async () => {
  const planned = await plan("interrupted");
  const io = captureIo();
  let requests = 0;
  onRun = (length) => {
    if (length === 4 && ++requests === 5) io.controller.abort(); // the last one
    return "answer";
  };
  expect(await reproduce(planned, io, false)).toBe(130);
  expect(lines(planned.outputFile)).toHaveLength(1);
  const aside = lines(besideOutput(planned.outputFile, ".incomplete.jsonl"));
  expect(aside).toHaveLength(1);
  expect(aside[0]).toContain('"interrupted": true');
  expect(io.out()).toMatch(/offline 2 +not run/);
  seen();
  expect(await reproduce(planned, captureIo(), false)).toBe(0);
  expect(seen()).toEqual([0, 5, 5]);
  expect(lines(planned.outputFile)).toHaveLength(3);
});

test("a run in which the server dies does not count, however many requests were done", async () => {
  const planned = await plan("dies");
  let requests = 0;
  onRun = (length) => {
    dead = length === 4 && ++requests === 4;
    return dead ? "hang up" : "answer";
  };
  const io = captureIo();
  expect(await reproduce(planned, io, false)).toBe(1);
  expect(io.err()).toMatch(/mock: .* does not answer any more/);
  expect(io.out()).toMatch(/offline 2 +not run/);
  expect(lines(planned.outputFile)).toHaveLength(1);
  expect(lines(besideOutput(planned.outputFile, ".incomplete.jsonl"))).toHaveLength(1);
  dead = false;
  onRun = () => "answer";
  seen();
  expect(await reproduce(planned, captureIo(), false)).toBe(0);
  expect(seen()).toEqual([0, 5, 5]);
});

test("failed requests of a living server are told, and the run counts", async () => {
  const planned = await plan("failed");
  let requests = 0;
  onRun = (length) => (length === 4 && ++requests === 4 ? "hang up" : "answer");
  const io = captureIo();
  expect(await reproduce(planned, io, false)).toBe(0);
  expect(io.out()).toMatch(/offline 2 .* 1\n/);
  expect(lines(planned.outputFile)).toHaveLength(3);
});

test("another command or server is another run; foreign and torn lines are none", async () => {
  const planned = await plan("keys");
  await reproduce(withRuns(planned, planned.only.runs.slice(0, 2)), captureIo(), false);
  appendFileSync(
    planned.outputFile,
    '{"backend": "sglang", "request_rate": Infinity}\n{"command": "serv',
  );
  const io = captureIo();
  await reproduce(planned, io, false);
  expect(io.out()).toContain("(2 of the lines are of other runs than those asked for.)");
  const done = (other: Partial<Series>) =>
    [...readLedger({ ...planned, series: [{ ...planned.only, ...other }] }).done.keys()].map(
      runName,
    );
  expect(done({})).toEqual(["offline 1", "offline 2", "offline 3"]);
  expect(done({ server: { kind: "running", baseUrl: "http://elsewhere" } })).toEqual([]);
  const scaled = planned.only.runs.map((run) => ({ ...run, command: `${run.command}0` }));
  expect(done({ runs: scaled })).toEqual([]);
});

test("--restart keeps the results under another name", async () => {
  const planned = await plan("restart");
  expect(setAside(planned.outputFile, new Date())).toBeNull();
  await reproduce(withRuns(planned, planned.only.runs.slice(0, 1)), captureIo(), false);
  const results = lines(planned.outputFile);
  const aside = setAside(planned.outputFile, new Date("2026-01-02T03:04:05Z"));
  expect(aside).toBe(join(folder, "restart.2026-01-02T03-04-05.jsonl"));
  expect(lines(aside!)).toEqual(results);
  expect(readLedger(planned).done.size).toBe(0);
});

test("a system that fails leaves the next one its turn, and both are in the tables", async () => {
  const planned = await plan("two");
  const broken: Series = {
    ...planned.only,
    system: "broken",
    runs: planned.only.runs.map((run) => ({ ...run })),
    server: { kind: "template", template: "command", model: "tok", args: ["false", "{port}"] },
  };
  const io = captureIo();
  expect(await reproduce({ ...planned, series: [broken, planned.only] }, io, false)).toBe(1);
  expect(io.err()).toMatch(/^broken: the server ended with exit code 1/m);
  expect(seen()).toEqual([5, 5, 5]);
  expect(io.out()).toMatch(/broken +tok +offline 1 +not run/);
  expect(io.out()).toMatch(/run +broken +mock +SGLang \(published\)/);
  expect(io.out()).toMatch(/offline 1 +- +[\d.]+ +4298 /);
  expect(readFileSync(`${planned.reportFile}.md`, "utf8")).toMatch(
    /\| offline 1 \| - \| [\d.]+ \| 4298 \|/,
  );
  expect(readFileSync(`${planned.reportFile}.html`, "utf8")).toContain("2\u2019s comparison");
});

test("a server of another engine's template is started, loaded and ended", async () => {
  const planned = await plan("template");
  const url = `http://127.0.0.1:${server!.port}`;
  // Passes on what it is sent, so that what answers is the mock.
  const relay = `Bun.serve({
    hostname: "127.0.0.1",
    port: Number(process.argv[1]),
    fetch: async (request) => {
      const { method } = request;
      const body = method === "GET" ? undefined : await request.text();
      return fetch(new URL(new URL(request.url).pathname, "${url}"), { method, body });
    },
  })`.replaceAll(/\s+/g, " ");
  const args = [process.execPath, "-e", relay, "{port}"];
  const engine: Series = {
    ...planned.only,
    system: "engine",
    server: { kind: "template", template: "command", model: "tok", args },
  };
  const io = captureIo();
  expect(await reproduce({ ...planned, series: [engine] }, io, false), io.err()).toBe(0);
  expect(seen()).toEqual([5, 5, 5]);
  const [, address] = /^ready at (\S+)$/m.exec(io.out())!;
  expect(fetch(`${address}/health`)).rejects.toThrow();
});

test("words with spaces are quoted for a shell", () => {
  const line = commandLine("bench", ["--dataset-path", "my file's.json", "--model", "preset:tiny"]);
  expect(line).toBe(`servebench bench --dataset-path 'my file'\\''s.json' --model preset:tiny`);
});
