/** Proves the session by lines: scripts on standard input, files by source, and terminals that can do little. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binary.ts";
import { PlayedSession, runScript } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-script-"));
const home = join(folder, "home");
afterAll(() => rmSync(folder, { recursive: true }));
const script = (text: string) => runScript(home, text, { cwd: folder });

test("all lines are run, in their order", async () => {
  const text = `# a comment
set num-prompts \\
  7   # of several lines

!echo "from the shell"
set seed '1'
set
`;
  const { code, stdout, stderr } = await script(text);
  expect(stderr).toBe("");
  expect(stdout).toBe("from the shell\nsetting      value\nnum-prompts  7\nseed         1\n");
  expect(code).toBe(0);
});

test.each([
  [
    "set seed 1\n\nset seed x\nset seed 2\n",
    3,
    2,
    "line 3: set: --seed: 'x' is not a whole number",
  ],
  ["set seed \\\n1\nbenhc\n", 3, 2, "line 3: unknown command 'benhc' (did you mean bench?)"],
  ["!exit 7\nset\n", 1, 7, ""],
  ["set seed 'open\nset\n", 1, 2, "the quote ' has no end"],
  ["use nonsense\nset\n", 1, 1, "line 1: use: there is no server 'nonsense'"],
  ["set seed 5", null, 0, ""],
])("%j ends at the first failure", async (text, line, code, says) => {
  const ended = await script(text);
  expect(ended.code).toBe(code);
  expect(ended.stdout).toBe("");
  expect(ended.stderr).toContain(says);
  if (line === null) expect(ended.stderr).toBe("");
  else expect(ended.stderr).toContain(`line ${line}: `);
});

describe("source", () => {
  test("runs a file, names its failing line, and that of the script", async () => {
    writeFileSync(join(folder, "good.sb"), "!echo one\r\n!echo two\r\n");
    writeFileSync(join(folder, "bad.sb"), "!echo three\n\nset seed x\n!echo never\n");
    const { code, stdout, stderr } = await script("source good.sb\nsource bad.sb\n!echo never\n");
    expect(stdout).toBe("one\ntwo\nthree\n");
    expect(stderr).toContain("bad.sb:3: set: --seed: 'x' is not a whole number");
    expect(stderr).toContain("line 2: ended with exit code 2; what follows was not run");
    expect(code).toBe(2);
  });

  test.each([
    ["itself.sb", /files source one another over 20 deep/],
    [".", /cannot read '\.'/],
    ["none.sb", /cannot read 'none\.sb'/],
  ])("refuses %s", async (name, says) => {
    writeFileSync(join(folder, "itself.sb"), "source itself.sb\n");
    const { code, stderr } = await script(`source ${name}\n`);
    expect(stderr).toMatch(says);
    expect(code).toBe(1);
  });
});

test("jobs of a script are waited for, and the exit code is theirs", async () => {
  const bench = "bench --base-url http://127.0.0.1:9 --model m --tokenizer preset:tiny";
  const { code, stdout, stderr } = await script(`${bench} --num-prompts 1 &\n!echo next\n`);
  expect(stdout).toMatch(/^\[\d+\] started; fg shows it\nnext\n/);
  expect(stderr).toMatch(/\[\d+\] failed after .* s \(exit code 1\)/);
  expect(code).toBe(1);
});

test("a search and a sweep keep their runs, and say how to see them", async () => {
  const load =
    "--dataset-name random-ids --random-input-len 8 --random-output-len 4 --num-prompts 20";
  const text =
    `launch command ${binary} mock --port {port} --ttft 5 --itl 1 --tokens 4\n` +
    `sweep ${load} --tokenizer preset:tiny --rates 100,200\n` +
    `search concurrency ${load} --tokenizer preset:tiny --slo ttft_p50<1s --search-max 2\n` +
    "report r1..r2 -o page.html\n" +
    "plot cdf r2\n"; // of its records
  const { code, stdout, stderr } = await runScript(join(folder, "kept"), text, { cwd: folder });
  expect(stderr).toBe("");
  expect(stdout).toContain("report r1..r2 makes a page of them");
  expect(stdout).not.toContain("The page:"); // of files that the session does not keep
  expect(stdout).toContain("The greatest concurrency that meets ttft_p50<1s and error_rate<1%: 2");
  expect(stdout).toContain("page.html: 2 runs");
  expect(stdout).toContain("TTFT of r2");
  expect(code).toBe(0);
}, 60_000);

const open = (env: Record<string, string>, columns = 80): PlayedSession =>
  new PlayedSession(home, ["--session", "terminal"], { cwd: folder, env, columns });
const leave = async (at: PlayedSession): Promise<void> => {
  at.type("exit\r");
  expect(await at.exited()).toBe(0);
};

describe("at a terminal", () => {
  test("that cannot move its cursor, lines are read", async () => {
    const at = open({ TERM: "dumb" });
    expect(await at.answer("!echo hello")).toBe("hello");
    expect(await at.answer("benhc")).toMatch(/did you mean bench\?/);
    expect(await at.answer("help lines")).toMatch(/^A line is a command/);
    expect(at.raw).not.toContain("\x1b");
    await leave(at);
  });

  test("without colours, none are shown", async () => {
    const plain = open({ NO_COLOR: "1" });
    await plain.answer("benhc");
    expect(plain.raw).not.toMatch(/\x1b\[[\d;]*m/);
    await leave(plain);
    const coloured = open({});
    await coloured.answer("benhc");
    expect(coloured.raw).toContain("\x1b[31m");
    await leave(coloured);
  });

  test("lines go on, are found again and completed", async () => {
    const at = open({});
    await at.prompt();
    at.type("set seed \\\r");
    await at.until((lines) => lines.at(-1)!.trim() === ">", "a further line");
    at.type("11\r");
    expect(await at.answer("set seed")).toMatch(/seed +11/);
    at.type("\x12\\");
    await at.until((lines) => /search '\\'\) set seed/.test(lines.join("\n")), "the found line");
    at.type("\x05\x7f\x7f12\r");
    expect(await at.answer("set seed")).toMatch(/seed +12/);
    at.type("\x1b[A\x1b[A");
    await at.until((lines) => lines.at(-1)!.endsWith("12"), "the line before");
    at.type("\x03");
    at.type("bench --num-p\t7");
    await at.until((lines) => lines.at(-1)!.endsWith("bench --num-prompts 7"), "the flag");
    at.type("\x03");
    await leave(at);
  });

  test("of 30 columns, everything fits", async () => {
    const at = open({}, 30);
    await at.prompt();
    expect(at.screen.lines.at(-1)).toBe(">");
    for (const line of ["help", "jobs", "servers"]) {
      const rows = (await at.answer(line)).split("\n");
      expect(rows.length).toBeGreaterThan(0);
      expect(rows.filter((row) => row.length > 30)).toEqual([]);
    }
    at.type("set --cle\t");
    await at.until((lines) => lines.at(-1) === "> set --clear", "the completed flag");
    at.type("\x03");
    await leave(at);
  });
});
