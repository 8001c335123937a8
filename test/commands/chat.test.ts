/** Proves that chat talks with a real server: one question, a conversation on a pseudo-terminal, in the session. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureLine } from "../../src/chat/text.ts";
import { binary, run, startServer, type RunningServer } from "../support/binary.ts";
import { PseudoTerminal } from "../support/pseudo-terminal.ts";

let server: RunningServer;
const home = mkdtempSync(join(tmpdir(), "servebench-chat-"));
beforeAll(async () => {
  server = await startServer(["--model-path", "preset:tiny", "--api-key", "sesame"]);
});
afterAll(async () => {
  await server.stop();
  rmSync(home, { recursive: true });
});

const env = { ...process.env, SERVEBENCH_HOME: home, OPENAI_API_KEY: "sesame" } as Record<
  string,
  string
>;
const greedy = ["--temperature", "0", "--max-tokens", "6"];
const figures = /^TTFT [\d.]+ ms, 6 tokens, ([\d.]+ tokens\/s, )?cut at its limit\n$/;

const piped = (input: string, ...args: string[]) => run(args, { env, stdin: new Blob([input]) });

test("one question, as words and from a pipe: the answer on stdout, its figures on stderr", async () => {
  const asked = await run(["chat", "why", "so", "--base-url", server.url, ...greedy], { env });
  expect(asked.code).toBe(0);
  expect(asked.stdout).toMatch(/\S.*\n$/s);
  expect(asked.stderr).toMatch(figures);
  const same = await piped("why so", "chat", "--base-url", server.url, ...greedy);
  expect(same).toEqual({
    code: 0,
    stdout: asked.stdout,
    stderr: expect.stringMatching(figures),
  });
  const system = ["--system", "Answer in French."];
  const other = await piped("why so", "chat", "--base-url", server.url, ...system, ...greedy);
  expect(other.stdout).not.toBe(asked.stdout);
});

test("nothing asked, no server, a wrong key, a wrong address are told", async () => {
  const nothing = await piped("", "chat", "--base-url", server.url);
  expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining("nothing was asked") });
  const nobody = ["chat", "hi", "--base-url", "http://127.0.0.1:1"];
  expect(await run(nobody)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nothing listens there"),
  });
  expect(await run([...nobody, "--model", "m"])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/cannot connect to 127.0.0.1:1[^]*--base-url names one/),
  });
  const wrong = ["chat", "hi", "--base-url", server.url, "--model", "m", "--api-key", "no"];
  expect(await run(wrong)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/http 401[^{]*\n--api-key or/),
  });
  expect(await run(["chat", "hi", "--base-url", "gpu-box"])).toMatchObject({ code: 2 });
});

test("a model without chat template: what to do", () => {
  const said = '{"error":{"message":"This model has no chat template; use /v1/completions."}}';
  const line = failureLine({ class: "http 400", message: `Bad Request: ${said}` });
  expect(line).toStartWith("http 400, This model has no chat template; use /v1/completions.\n");
  expect(line).toContain("--chat-template FILE");
});

test("a conversation at a terminal", async () => {
  const own = await startServer(["--model-path", "preset:tiny"]);
  const terminal = new PseudoTerminal([binary, "chat", "--base-url", own.url], { env });
  const ask = async (text: string, answer: RegExp) => {
    terminal.type(`${text}\r`);
    await terminal.shows(new RegExp(`${answer.source}[^]*\n> $`));
  };
  await terminal.shows(/preset:tiny at 127[^]*> $/);
  await ask("/regenerate", /nothing was asked yet/);
  await ask("/stats", /no answers yet/);
  await ask("/sats", /no command \/sats.*stats/);
  await ask("/help", /\/system TEXT/);
  await ask("/system Be brief.", /system prompt is set/);

  terminal.type("count to a million\r");
  await terminal.shows(/million\s+\S+/);
  terminal.type("\x03");
  await terminal.shows(/about \d+ tokens?.*stopped[^]*\n> $/);
  // A paste is one question, which Enter ends.
  terminal.type("first line\rsecond line");
  await terminal.shows(/second line$/);
  terminal.type("\r");
  await terminal.shows(/\n\s*\S/);
  terminal.type("\x03");
  await terminal.shows(/stopped[^]*\n> $/);
  await ask("/stats", /answers {2}2[^]*TTFT/);
  await ask("/new", /a new conversation/);

  await own.stop("SIGKILL");
  await ask("still there?", /(cannot connect|closed the connection)[^]*--base-url names one/);
  terminal.type("never sent\x03");
  await terminal.shows(/\n> $/);
  terminal.type("\x03");
  await terminal.shows(/once more leaves[^]*> $/);
  terminal.type("\x03");
  expect(await terminal.exited()).toBe(0);
});

test("Ctrl-D leaves", async () => {
  const terminal = new PseudoTerminal([binary, "chat", "--base-url", server.url], { env });
  await terminal.shows(/> $/);
  terminal.type("\x04");
  expect(await terminal.exited()).toBe(0);
});

test("in the session it talks with the server in use, which gives the terminal back", async () => {
  const open = await startServer(["--model-path", "preset:tiny"]);
  const script = `use ${open.url}\nchat hello ${greedy.join(" ")}\n`;
  const { code, stdout, stderr } = await piped(script, "repl");
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/TTFT .* ms, 6 tokens/),
  });
  expect(stdout).toMatch(/\S/);

  const terminal = new PseudoTerminal([binary], { env });
  await terminal.enter(`use ${open.url}`);
  await terminal.prompt();
  await terminal.enter("chat --max-tokens 4");
  await terminal.shows(/\/help lists[^]*> $/);
  terminal.type("hello\r");
  await terminal.shows(/TTFT[^]*\n> $/);
  terminal.type("\x04");
  await terminal.until((lines) => /^servebench.*>$/.test(lines.at(-1) ?? ""), "the session");
  await terminal.enter("exit");
  expect(await terminal.exited()).toBe(0);
  await open.stop();
});
