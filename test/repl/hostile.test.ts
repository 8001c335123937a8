/** Proves that no input costs more than the command that it is: what was and what comes after still hold. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlayedSession, runScript } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-hostile-"));
const home = join(folder, "home");
mkdirSync(join(folder, "a folder"));
writeFileSync(join(folder, "circle.sb"), "source circle.sb\n");
writeFileSync(join(folder, "binary.sb"), new Uint8Array([0, 255, 254, 27, 91, 10]));
writeFileSync(join(folder, "bad.jsonl"), "{ not json\n");
const taken = createServer().listen(0, "127.0.0.1");
await new Promise((resolve) => taken.once("listening", resolve));
const { port } = taken.address() as { port: number };
afterAll(() => {
  taken.close();
  rmSync(folder, { recursive: true });
});

const nobody = "--base-url http://127.0.0.1:9 --model m --tokenizer preset:tiny";
const hostile: readonly (readonly [string, RegExp])[] = [
  ["&", /'&' follows a command/],
  ["bench & bench", /'&' belongs to the end/],
  ["results | sort", /'\|' is the shell's/],
  ["!", /needs a line for the shell/],
  ["set seed 99999999999999999999999", /seed/],
  ["set num-prompts -1", /num-prompts/],
  ["set num-prompts 1e999", /num-prompts/],
  ["set request-rate NaN", /request-rate/],
  ["set constructor 1", /no command has a flag --constructor/],
  ["help __proto__", /nothing is called '__proto__'/],
  ["constructor", /unknown command 'constructor'/],
  ["🚀🚀 👨‍👩‍👧 e\u0301", /unknown command '🚀🚀'/],
  [`bench ${"x".repeat(50_000)}`, /^bench: /],
  ["use nonsense", /there is no server 'nonsense'/],
  ["use http://127.0.0.1:9", /nothing answers at/],
  ["use http://[::bad", /is not an address/],
  [`launch preset:tiny --port ${port}`, /is taken by/],
  ["launch preset:nosuch", /nosuch/],
  ["launch preset:tiny --contxt-length 5", /did you mean --context-length/],
  ["launch sglan org/name", /'sglan' is no kind of server \(did you mean sglang\?\)/],
  ["launch vlm", /did you mean vllm/],
  ["launch nonsense words", /'nonsense' is no kind of server; there are servebench, sglang/],
  ["launch command", /needs the server's command line/],
  ["launch command ./nothing-{port}", /nothing-/],
  ["results --where ((", /--where/],
  ["results --sort '; drop table runs'", /--sort/],
  ["table bad.jsonl", /bad\.jsonl/],
  ["source circle.sb", /over 20 deep/],
  ["source 'a folder'", /cannot read 'a folder'/],
  ["source binary.sb", /control character \(0x00\)/],
  ["fg 99999999999999999999", /fg: /],
  ["cancel", /there are no jobs/],
  ["stop everything", /there is no server/],
  ["logs", /there are no servers/],
  ["sessions ''", /sessions: /],
  [`bench ${nobody} --num-prompts 1`, /127\.0\.0\.1:9/],
];

const titled = hostile.map(([line, says]) => [line.slice(0, 60), line, says] as const);
test.each(titled)("%s fails alone", async (_, line, says) => {
  const { code, stdout, stderr } = await runScript(home, `${line}\n!echo never\n`, { cwd: folder });
  expect(`${stdout}${stderr.replace(/^line 1: /, "")}`).toMatch(says);
  expect(stderr).not.toContain("internal error");
  expect(stdout).not.toContain("never");
  expect(code).toBeOneOf([1, 2]);
});

test.each<[string, number[], RegExp]>([
  ["NUL", [0], /control character \(0x00\)/],
  ["Escape", [27, 91, 65], /control character \(0x1b\)/],
  ["invalid UTF-8", [255, 254, 128], /unknown command/],
  ["half a character at the end", [240, 159], /unknown command/],
])("%s on a pipe is a mistake of its line", async (_, bytes, says) => {
  const { code, stderr } = await runScript(home, new Uint8Array(bytes));
  expect(stderr).toMatch(says);
  expect(stderr.startsWith("line 1: ")).toBe(true);
  expect(code).toBe(2);
});

test("a session at a terminal outlives them all, one after the other", async () => {
  const at = new PlayedSession(home, ["--session", "hostile"], { cwd: folder, columns: 200 });
  await at.answer("set seed 3");
  const typed = hostile.filter(([line]) => line.length < 100 && !/^(launch|bench)|👨/.test(line));
  expect(typed.length).toBeGreaterThan(20);
  for (const [line, says] of typed) expect(await at.answer(line)).toMatch(says);
  at.type("\x1b[200~set 'of two\nlines\x1b[201~");
  at.type("\x03");
  expect(await at.answer("set seed")).toMatch(/seed +3/);
  at.type("exit\r");
  expect(await at.exited()).toBe(0);
}, 60_000);
