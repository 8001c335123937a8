/** Proves that dist/servebench needs nothing beside it: an empty read-only folder, no environment, hostile files. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { binary, run, startServer } from "../support/binary.ts";

let folder: string;
let results: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "servebench-empty-"));
  results = mkdtempSync(join(tmpdir(), "servebench-results-"));
  chmodSync(folder, 0o555);
});
afterAll(() => {
  chmodSync(folder, 0o755);
  for (const path of [folder, results]) rmSync(path, { recursive: true });
});

test("the file is at most 130 MB", () => {
  expect(statSync(binary).size).toBeLessThan(130e6);
});

test("--version and --help without an environment", async () => {
  const version = await run(["--version"], { cwd: folder, env: {} });
  expect(version).toEqual({ code: 0, stdout: `servebench ${packageJson.version}\n`, stderr: "" });
  const help = await run(["serve", "--help"], { cwd: folder, env: {} });
  expect(help.code).toBe(0);
  expect(help.stdout).toContain("--model-path PATH");
});

test("serves preset:tiny, benches it and exits cleanly", async () => {
  const server = await startServer(["--model-path", "preset:tiny"], { cwd: folder, env: {} });
  expect(server.readyLine).toMatch(/\(preset:tiny, .+, \d+ KV tokens\)/);
  const output = join(results, "run.jsonl");
  const flags = "--backend sglang --dataset-name random-ids --num-prompts 6 --random-input-len 40";
  const bench = await run(
    [
      "bench",
      "--port",
      String(server.port),
      ...flags.split(" "),
      ...`--random-output-len 12 --random-range-ratio 1 --output-file ${output}`.split(" "),
    ],
    { cwd: folder, env: {} },
  );
  expect(bench).toMatchObject({ code: 0 });
  expect(bench.stdout).toMatch(/Successful requests: +6 /);
  const line = readFileSync(output, "utf8");
  expect(line).toContain('"total_input_tokens": 240, "total_output_tokens": 72,');
  expect(await server.stop("SIGTERM")).toBe(0);
});

describe("a folder with hostile files", () => {
  let hostile: string;
  let copy: string;
  beforeAll(() => {
    hostile = mkdtempSync(join(tmpdir(), "servebench-hostile-"));
    copy = join(hostile, "servebench");
    copyFileSync(binary, copy);
    chmodSync(copy, 0o755);
    writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
    writeFileSync(join(hostile, "evil.ts"), 'console.log("EVIL"); process.exit(66);\n');
    writeFileSync(join(hostile, ".env"), "SERVEBENCH_ISA=evil\nOPENAI_API_KEY=evil\nTERM=evil\n");
    writeFileSync(
      join(hostile, "package.json"),
      '{"name":"evil","type":"commonjs","module":"evil.ts"}',
    );
    writeFileSync(join(hostile, "tsconfig.json"), "{ this is not JSON");
  });
  afterAll(() => rmSync(hostile, { recursive: true }));

  test("changes nothing", async () => {
    expect((await run(["--version"], { cwd: hostile })).stdout).toStartWith("servebench ");
    const server = await startServer([], { cwd: hostile });
    expect(server.log()).not.toContain("EVIL");
    expect(server.log()).not.toContain("evil");
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
  });
});
