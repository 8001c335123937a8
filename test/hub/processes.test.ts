/** Several processes at one cache, and huggingface_hub itself as a neighbour. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../support/run.ts";
import { pythonWith } from "../support/python.ts";
import { FakeHub, sha256, type Fault } from "./fake-hub.ts";
import { safetensors } from "./support.ts";

const root = mkdtempSync(join(tmpdir(), "servebench-processes-"));
const fake = new FakeHub();
beforeAll(() => fake.start());
afterAll(() => {
  fake.stop();
  rmSync(root, { recursive: true });
});

const bytes = 3_000_000;
const weights = safetensors(
  { a: { dtype: "U8", shape: [bytes], data_offsets: [0, bytes] } },
  bytes,
);
const files = {
  "config.json": '{"model_type": "llama"}',
  "model.safetensors": weights,
  "tokenizer.json": `{"model": "${"x".repeat(200)}"}`,
  "README.md": "not wanted",
};
const wanted = ["config.json", "model.safetensors", "tokenizer.json"];
const commit = "c".repeat(40);

let cache = "";
let environment: Record<string, string> = {};
beforeEach(() => {
  fake.reset();
  fake.repositories.set("models/org/name", {
    commits: { [commit]: files },
    refs: { main: commit },
  });
  cache = mkdtempSync(join(root, "cache-"));
  environment = {
    ...(process.env as Record<string, string>),
    HF_ENDPOINT: fake.endpoint,
    HF_HOME: join(cache, "home"),
    HF_HUB_CACHE: cache,
    HF_HUB_DISABLE_XET: "1",
    HF_HUB_DISABLE_TELEMETRY: "1",
  };
});

const repository = () => join(cache, "models--org--name");
const snapshot = () => join(repository(), "snapshots", commit);
const blob = sha256(weights);
const partial = () => join(repository(), "blobs", `${blob}.incomplete`);
const child = [process.execPath, join(import.meta.dir, "download-child.ts"), "org/name"];
const download = () => runProgram(child, { env: environment });
const offline = () => ({ ...environment, HF_HUB_OFFLINE: "1", HF_ENDPOINT: "http://127.0.0.1:1" });
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function expectWhole(): void {
  for (const name of wanted) {
    const content = Buffer.from(files[name as "config.json"]);
    expect(readFileSync(join(snapshot(), name)).equals(content), name).toBe(true);
  }
  expect(readdirSync(join(repository(), "blobs")).filter((n) => n.includes("incomplete"))).toEqual(
    [],
  );
}

/** Sends the first third of a file, and the rest once `go` resolves. */
const pausing =
  (go: Promise<void>): Fault =>
  (_request, response, next) => {
    const end = response.end.bind(response);
    response.end = ((body: Buffer) => {
      const third = Math.floor(body.length / 3);
      response.write(body.subarray(0, third));
      void go.then(() => end(body.subarray(third)));
      return response;
    }) as typeof end;
    next();
  };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(10);
}

test("of two processes one loads a file, the other waits for it", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  fake.fail(/cdn/, pausing(promise), 9);
  const both = [download(), download()];
  // Both have asked which files there are, so both are at the files or about to be.
  await until(() => fake.asked("hub").filter((line) => line.includes("/tree/")).length >= 2);
  await until(() => sizeOf(partial()) > 0);
  resolve();
  const ended = await Promise.all(both);
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  for (const { stdout } of ended) expect(stdout.trim()).toBe(snapshot());
  expectWhole();
  expect(fake.asked("cdn").filter((line) => line.includes(blob)).length).toBe(1);
});

test.each(["SIGINT", "SIGKILL"] as const)("after %s the next process goes on", async (signal) => {
  fake.fail(/cdn/, pausing(new Promise(() => {})), 9);
  const first = Bun.spawn(child, { env: environment, stderr: "ignore", stdout: "ignore" });
  await until(() => sizeOf(partial()) > 900_000);
  first.kill(signal);
  await first.exited;
  expect(first.exitCode).toBe(signal === "SIGINT" ? 130 : null);
  const there = sizeOf(partial());
  expect(there).toBeGreaterThan(900_000);
  fake.reset();
  fake.repositories.set("models/org/name", {
    commits: { [commit]: files },
    refs: { main: commit },
  });
  expect(await download()).toMatchObject({ code: 0, stdout: `${snapshot()}\n` });
  expectWhole();
  const resumed = fake.requests.find(({ path }) => path.includes(blob));
  expect(resumed?.headers.range).toBe(`bytes=${there}-`);
});

const python = pythonWith("huggingface_hub");
const why = python.python === null ? ` (SKIPPED: ${python.why})` : "";
const runPython = (code: string, env = environment) =>
  runProgram([python.python!, "-c", `from huggingface_hub import *\n${code}`], { env });
describe.skipIf(python.python === null)(`huggingface_hub in Python${why}`, () => {
  const patterns = JSON.stringify(wanted);

  test("its cache is used as it is, offline and with no request for a file", async () => {
    const made = await runPython(
      `print(snapshot_download("org/name", allow_patterns=${patterns}))`,
    );
    expect(made).toMatchObject({ code: 0, stdout: `${snapshot()}\n` });
    expectWhole();
    fake.requests.length = 0;
    expect(await runProgram(child, { env: offline() })).toMatchObject({
      code: 0,
      stdout: `${snapshot()}\n`,
    });
    expect(fake.requests).toEqual([]);
    expect(await download()).toMatchObject({ code: 0 });
    expect(fake.asked("hub")).toEqual(["GET /api/models/org/name/revision/main"]);
  });

  test("its cache of single files, which has no list, is used offline too", async () => {
    const code = wanted.map((name) => `hf_hub_download("org/name", "${name}")`).join("\n");
    expect(await runPython(code)).toMatchObject({ code: 0 });
    expect(await runProgram(child, { env: offline() })).toMatchObject({
      code: 0,
      stdout: `${snapshot()}\n`,
    });
  });

  test("it uses our cache offline, and loads nothing again online", async () => {
    expect(await download()).toMatchObject({ code: 0 });
    fake.requests.length = 0;
    const code =
      `print(snapshot_download("org/name", allow_patterns=${patterns}))\n` +
      wanted.map((name) => `print(hf_hub_download("org/name", "${name}"))`).join("\n");
    const paths = [snapshot(), ...wanted.map((name) => join(snapshot(), name))];
    const read = await runPython(code, offline());
    expect(read.stderr).not.toContain("Error");
    expect(read.stdout.trim().split("\n")).toEqual(paths);
    expect(fake.requests).toEqual([]);
    expect((await runPython(code)).stdout.trim().split("\n")).toEqual(paths);
    expect(
      fake.requests.filter(({ method, server }) => method === "GET" && server === "cdn"),
    ).toEqual([]);
    const scan = await runPython(
      "print([len(r.revisions) for r in scan_cache_dir().repos], scan_cache_dir().warnings)",
    );
    expect(scan.stdout.trim()).toBe("[1] []");
  });

  test("it and we exclude each other by the same lock", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    fake.fail(/cdn GET/, pausing(promise), 9);
    const theirs = runPython(`print(snapshot_download("org/name", allow_patterns=${patterns}))`);
    await until(() => fake.asked("cdn").some((line) => line.includes(`GET /${blob}`)));
    const ours = Bun.spawn(child, { env: environment, stderr: "pipe", stdout: "ignore" });
    let log = "";
    for await (const part of ours.stderr.pipeThrough(new TextDecoderStream())) {
      log += part;
      if (/model.safetensors: waiting for another process/.test(log)) resolve();
    }
    expect(await ours.exited).toBe(0);
    expect(await theirs).toMatchObject({ code: 0 });
    expectWhole();
    expect(fake.asked("cdn").filter((line) => line.includes(`GET /${blob}`)).length).toBe(1);
  });
});
