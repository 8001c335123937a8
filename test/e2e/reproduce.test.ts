/** Proves that the executable reproduces by itself: server, runs, table; and goes on after a kill or Ctrl-C. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendants } from "../../src/launch/processes.ts";
import { allGone } from "../launch/support.ts";
import { binary, run } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-reproduce-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Interrupted {
  readonly code: number | null;
  /** What the program had started, all of which has ended. */
  readonly started: readonly number[];
}

/** Runs the executable in `folder` and sends it `signal` as soon as its output matches. */
async function interrupt(
  args: readonly string[],
  when: RegExp,
  signal: NodeJS.Signals,
): Promise<Interrupted> {
  const child = Bun.spawn([binary, ...args], { cwd: folder, stdout: "pipe", stderr: "ignore" });
  let started: number[] = [];
  let output = "";
  for await (const bytes of child.stdout) {
    output += new TextDecoder().decode(bytes);
    if (started.length > 0 || !when.test(output)) continue;
    started = descendants(child.pid);
    child.kill(signal);
  }
  await child.exited;
  await allGone(started);
  return { code: child.exitCode, started };
}

/** The runs whose results are there, in their order. */
function recipesDone(file: string): string[] {
  const path = join(folder, file);
  const text = existsSync(path) ? readFileSync(path, "utf8").trimEnd() : "";
  return text === "" ? [] : text.split("\n").map((line) => /"recipe": "(.*?)"/.exec(line)![1]!);
}

test("killed in a run of a real model: nothing stays behind, and the next call goes on", async () => {
  const line = "reproduce offline --only 1,3 --scale 0.0007 --model-path preset:tiny".split(" ");
  const killed = await interrupt(line, /-- offline 3[^]*main benchmark run/, "SIGKILL");
  expect(killed.started.length).toBe(2); // supervisor and server
  expect(recipesDone("sglang_offline_benchmark.jsonl")).toEqual(["offline 1"]);
  const ended = await run(line, { cwd: folder });
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout).toContain("offline 1, done:");
  expect(ended.stdout).not.toContain("-- offline 1");
  expect(ended.stdout).toMatch(
    /offline 1 +synthetic +inf +2 +\[704, 871\] +\[521, 789\] +[\d.]+ +0/,
  );
  expect(recipesDone("sglang_offline_benchmark.jsonl")).toEqual(["offline 1", "offline 3"]);
  const again = await run(line, { cwd: folder });
  expect(again.code).toBe(0);
  expect(again.stdout).not.toContain("Starting");
}, 60_000);

test("Ctrl-C: exit code 130, the part kept aside, the rest done by the next call", async () => {
  const line =
    "reproduce online --scale 0.004 --model-path preset:tiny --server-args=--device=null";
  const stopped = await interrupt(line.split(" "), /-- online 3[^]*main benchmark run/, "SIGINT");
  expect(stopped.code).toBe(130);
  expect(recipesDone("sglang_online_benchmark.jsonl")).toEqual(["online 1", "online 2"]);
  expect(recipesDone("sglang_online_benchmark.incomplete.jsonl")).toEqual(["online 3"]);
  const ended = await run(line.split(" "), { cwd: folder });
  expect(ended.code, ended.stderr).toBe(0);
  const names = [1, 2, 3, 4, 5].map((number) => `online ${number}`);
  expect(recipesDone("sglang_online_benchmark.jsonl")).toEqual(names);
}, 60_000);

test("a server that cannot start: its own words, exit code 1", async () => {
  const line = "reproduce offline --model-path preset:tiny --server-args=--context-length=9999";
  const ended = await run(line.split(" "), { cwd: folder });
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(
    /the server ended with exit code 1\. The last lines of .*server\.log/,
  );
  expect(ended.stderr).toMatch(/\| .*context length 9999/);
});
