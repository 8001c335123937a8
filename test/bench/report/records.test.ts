/** Proves that what is on disk is whole, whatever ends the run: Ctrl-C, kill -9, a full disk. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LineFile } from "../../../src/bench/report/line-file.ts";
import { recordLine, RecordsFile } from "../../../src/bench/report/records.ts";
import { burst, startMock, type MockServer } from "../mock/server.ts";
import { requestRecord } from "../support.ts";

let folder: string;
let server: MockServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bench-records-"));
  server = await startMock(burst);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const linesOf = (path: string): string[] => readFileSync(path, "utf8").split("\n");

describe("a file of lines", () => {
  test("ends the half line that it finds", () => {
    const path = join(folder, "half");
    writeFileSync(path, "whole\nha");
    const file = new LineFile(path);
    file.append(["next"]);
    file.close();
    expect(linesOf(path)).toEqual(["whole", "ha", "next", ""]);
  });

  test("holds whole lines alone when the disk is full in the middle of one", () => {
    const path = join(folder, "full");
    const source = join(import.meta.dir, "../../../src/bench/report/line-file.ts");
    const script = `
      import { LineFile } from ${JSON.stringify(source)};
      const file = new LineFile(${JSON.stringify(path)});
      file.append(["first"]);
      try { file.append(Array.from({ length: 9 }, () => "x".repeat(299))); console.log("no error"); }
      catch (error) { console.log(error.code); }`;
    const limited = `trap '' XFSZ; ulimit -f 1; exec "$0" -e "$1"`;
    const { stdout } = spawnSync("bash", ["-c", limited, process.execPath, script]);
    expect(stdout.toString()).toBe("EFBIG\n");
    expect(linesOf(path)).toEqual(["first", ...Array<string>(3).fill("x".repeat(299)), ""]);
  });
});

test("a full disk is said once, and the lines that are lost are counted", () => {
  const notes: string[] = [];
  const file = new RecordsFile("/dev/full", (line) => notes.push(line));
  for (let i = 0; i < 3; i++) file.add("x".repeat(600_000));
  file.close();
  expect(file.lost).toBe(3);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toStartWith("--records: cannot write '/dev/full': ENOSPC");
});

test("a record tells its status, all three counts of tokens, and latency from both times", () => {
  const label = { run: 2, startedAt: "2026-01-01T00:00:00.000Z" };
  const late = requestRecord({ scheduledS: 1, sentS: 1.5, latencyS: 2 });
  const usage = { promptTokens: 3, completionTokens: 4 };
  expect(
    JSON.parse(recordLine({ ...late, outputLen: 5, usage }, 6, "short output", label)),
  ).toMatchObject({
    run: 2,
    status: "short output",
    outputLen: 5,
    reportedTokens: 4,
    retokenizedTokens: 6,
    latencyS: 2,
    latencyFromScheduledS: 2.5,
  });
});

/** Starts a long run, waits until some records are on disk, and sends it the signal. */
async function endedBy(signal: "SIGINT" | "SIGKILL", name: string) {
  const records = join(folder, name);
  const script = join(import.meta.dir, "../records-of-runs.ts");
  const words = [script, String(server.port), records, join(folder, "out"), "20000"];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const isWritten = () => existsSync(records) && linesOf(records).length >= 3;
  while (child.exitCode === null && !isWritten()) await Bun.sleep(20);
  child.kill(signal);
  const [exitCode] = (await ended) as [number | null];
  return { exitCode, lines: linesOf(records) };
}

describe("a run that is ended", () => {
  test("by Ctrl-C has written every record whole, and the result says how many there are", async () => {
    const { exitCode, lines } = await endedBy("SIGINT", "interrupted");
    expect(exitCode).toBe(130);
    expect(lines.pop()).toBe("");
    const indices = lines.map((line) => (JSON.parse(line) as { index: number }).index);
    expect(new Set(indices).size).toBe(lines.length);
    const result = JSON.parse(linesOf(join(folder, "out"))[0]!.replaceAll("Infinity", "0"));
    expect(result).toMatchObject({ interrupted: true, sent: lines.length });
  });

  test("by kill -9 leaves at most one half line, the last", async () => {
    const { lines } = await endedBy("SIGKILL", "killed");
    for (const line of lines.slice(0, -1)) expect(JSON.parse(line)).toHaveProperty("status", "ok");
    expect(lines.length).toBeGreaterThan(2);
  });
});
