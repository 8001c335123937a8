/** Proves that runs of the executable are kept, listed, drawn and deleted, with a store of their own. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, run } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-store-"));
const env = { ...(process.env as Record<string, string>), SERVEBENCH_HOME: join(folder, "home") };
const servebench = (line: string) => run(line.split(" "), { cwd: folder, env });
const mock = Bun.spawn([binary, "mock", "--port", "0", "--ttft", "20", "--itl", "2"], {
  stdout: "pipe",
});
afterAll(() => {
  mock.kill();
  rmSync(folder, { recursive: true });
});

async function address(): Promise<string> {
  let out = "";
  for await (const bytes of mock.stdout) {
    out += new TextDecoder().decode(bytes);
    const found = /ready at (http:\S+)/.exec(out)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`the mock ended: ${out}`);
}

test("a run is measured, kept, listed, drawn, written out and deleted", async () => {
  const load =
    "--tokenizer preset:tiny --dataset-name random-ids --random-input 8 --random-output 6 --random-range-ratio 1";
  const files = "--output-file run.jsonl --records run.records.jsonl";
  const ended = await servebench(
    `bench --base-url ${await address()} ${load} --num-prompts 60 --request-rate 200 --num-runs 2 ${files}`,
  );
  expect(ended.code, ended.stderr).toBe(0);

  const taken = await servebench("import run.jsonl --records run.records.jsonl");
  expect(taken.stdout).toBe("run.jsonl: r1, r2 in session imported\n2 new runs\n");
  const listed = await servebench("results --diff r1 --columns system,completed,ttft_p50");
  expect(listed.stdout).toMatch(/^r1 +http:\/\/127\.0\.0\.1:\d+ +60 +\d+\.\d+/m);
  expect(listed.stdout).toMatch(/^r2 .* [+-]\d+\.\d %[ *!]?$/m);

  const drawn = await servebench("plot cdf r1 r2 --ascii");
  expect(drawn.stdout).toContain("TTFT: percent of requests within");
  const csv = await servebench("table --format csv --columns completed");
  expect(csv.stdout).toBe("run,completed\nr1,60\nr2,60\n");
  expect((await servebench("export r1 -o again.jsonl")).code).toBe(0);
  expect((await servebench("compare run.jsonl again.jsonl")).code).toBe(0);

  expect((await servebench("delete r1")).code).toBe(2);
  expect((await servebench("delete r1 --yes")).stdout).toBe("1 run deleted\n");
  const wrong = await servebench("results --sort ttft_p5O");
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("'ttft_p5O' is not a column (did you mean ttft_p50?)");
}, 60_000);

test("a damaged store is set aside, and the command goes on", async () => {
  writeFileSync(join(folder, "home", "results.sqlite"), "no database ".repeat(1000));
  const { code, stdout, stderr } = await servebench("results");
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /^The results in .* were damaged; the file is now .*damaged-.*, and a new one begins\.\n$/,
  );
  expect(stdout).toStartWith("No runs are kept yet.");
});
