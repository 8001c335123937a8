/** Proves that runs of the executable are compared, reported, swept and searched, with the exit codes that scripts rely on. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, run } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-results-"));
const mocks: Bun.Subprocess[] = [];
afterAll(() => {
  for (const mock of mocks) mock.kill();
  rmSync(folder, { recursive: true });
});

/** The address of a mock server of such times. */
async function startMock(...flags: string[]): Promise<string> {
  const child = Bun.spawn([binary, "mock", "--port", "0", ...flags], { stdout: "pipe" });
  mocks.push(child);
  let out = "";
  for await (const bytes of child.stdout) {
    out += new TextDecoder().decode(bytes);
    const address = /ready at (http:\S+)/.exec(out)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error(`the mock ended: ${out}`);
}

const load =
  "--tokenizer preset:tiny --dataset-name random-ids --random-input 8 --random-output 6 --random-range-ratio 1";

async function bench(address: string, name: string): Promise<void> {
  const files = `--output-file ${name}.jsonl --records ${name}.records.jsonl`;
  const line = `bench --base-url ${address} ${load} --num-prompts 60 --request-rate 200 ${files}`;
  const ended = await run(line.split(" "), { cwd: folder });
  expect(ended.code, ended.stderr).toBe(0);
}

const servebench = (line: string) => run(line.split(" "), { cwd: folder });

let fast = "";
beforeAll(async () => {
  fast = await startMock("--ttft", "20", "--itl", "2");
  const slow = await startMock("--ttft", "30", "--itl", "2");
  await bench(fast, "fast");
  await bench(slow, "slow");
}, 60_000);

test("a slower server is seen, and fails a gate", async () => {
  const records = "--records fast.records.jsonl --records slow.records.jsonl";
  const plain = await servebench(`compare fast.jsonl slow.jsonl ${records}`);
  expect(plain.code, plain.stderr).toBe(0);
  expect(plain.stdout).toMatch(/Median TTFT \(ms\) .* WORSE/);
  const gated = await servebench(`compare fast.jsonl slow.jsonl ${records} --fail-on ttft_p50>20%`);
  expect(gated.code).toBe(3);
  expect(gated.stdout).toContain("Gate ttft_p50>20%: FAILED");
  const reverse = await servebench(
    `compare slow.jsonl fast.jsonl ${records} --fail-on ttft_p50>20%`,
  );
  expect(reverse.code).toBe(0);
  const json = await servebench("compare fast.jsonl slow.jsonl --json");
  expect(JSON.parse(json.stdout)).toHaveProperty("pairs.0.figures.0.name", "request_throughput");
}, 30_000);

test("a page is made of both", async () => {
  const records = "--records fast.records.jsonl --records slow.records.jsonl";
  const ended = await servebench(`report fast.jsonl slow.jsonl ${records} -o both.html`);
  expect(ended.code, ended.stderr).toBe(0);
  const html = readFileSync(join(folder, "both.html"), "utf8");
  expect(html.match(/<svg/g)!.length).toBe(4 + 2 * 3);
  expect(html).not.toContain("NaN");
});

test("a sweep does its grid and the next call has nothing to do", async () => {
  const line = `sweep --base-url ${fast} ${load} --rates 100,200 --num-prompts 20 --output-file s.jsonl`;
  const ended = await servebench(line);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toMatch(/\nrate 200 +\d/);
  const again = await servebench(line);
  expect(again.code).toBe(0);
  expect(again.stdout).not.toContain("----");
  expect(readFileSync(join(folder, "s.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(2);
}, 30_000);

test("a search that nothing meets is exit code 3", async () => {
  const line = `search concurrency --base-url ${fast} ${load} --num-prompts 20 --slo ttft_p50<5 --output-file n.jsonl`;
  const ended = await servebench(line);
  expect(ended.code, ended.stderr).toBe(3);
  expect(ended.stdout).toContain("No concurrency meets ttft_p50<5 and error_rate<1%, not even 1.");
}, 30_000);

test("a sweep starts the servers that it is given", async () => {
  const server = ["--serve", "--model-path preset:tiny --device null"];
  const words = `${load} --num-prompts 10 --repeats 2 --output-file own.jsonl`.split(" ");
  const ended = await run(["sweep", ...words, ...server], { cwd: folder });
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toContain(
    "Server:  servebench launch_server --model-path preset:tiny --device null",
  );
  expect(readFileSync(join(folder, "own.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(2);
}, 60_000);
