/** Proves that each command of a session explains itself, that its examples are lines it takes, and that mistakes lead on. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/commands/index.ts";
import { parseFlags } from "../../src/commands/flags.ts";
import { sessionCommands } from "../../src/repl/commands/index.ts";
import { parseLine } from "../../src/repl/grammar.ts";
import { History } from "../../src/repl/line/history.ts";
import { Session } from "../../src/repl/session.ts";
import { topics } from "../../src/repl/topics.ts";
import type { Ui } from "../../src/repl/ui/ui.ts";
import { Store } from "../../src/store/index.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-table-"));
const homeBefore = process.env["SERVEBENCH_HOME"];
process.env["SERVEBENCH_HOME"] = folder;

let said = "";
/** Nobody types, and what is said is kept. */
const ui: Ui = {
  interactive: true,
  colour: false,
  columns: 80,
  ended: true,
  read: async () => null,
  out: (text) => void (said += text),
  err: (text) => void (said += text),
  status: () => {},
  during: (work) => work(),
  lend: (work) => work("ignore"),
  ask: async () => "",
  clear: () => {},
  close: () => {},
};
const store = Store.open(join(folder, "results.sqlite"), () => {});
const session = new Session({
  ui,
  store,
  history: new History(null),
  commands,
  style: { columns: 80, colour: false, unicode: true },
});
session.own = sessionCommands(session);
beforeAll(() => session.open("table"));
afterAll(async () => {
  await session.close();
  if (homeBefore === undefined) delete process.env["SERVEBENCH_HOME"];
  else process.env["SERVEBENCH_HOME"] = homeBefore;
  rmSync(folder, { recursive: true });
});

async function run(line: string): Promise<{ code: number; text: string }> {
  said = "";
  const code = await session.runText(line, null);
  return { code, text: said };
}
const fits = (text: string): void =>
  expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);

test("names and aliases are each one command's", () => {
  const names = session.commands.flatMap(({ name, aliases }) => [name, ...aliases]);
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});

describe.each(session.commands.map((command) => [command.name, command] as const))(
  "%s",
  (name, command) => {
    test("has help of 80 columns, by help and by --help", async () => {
      const { code, text } = await run(`help ${name}`);
      expect(code).toBe(0);
      fits(text);
      expect(text).toContain(`${name} `);
      for (const flag of Object.keys(command.flags)) expect(text).toContain(`--${flag}`);
      expect((await run(`${name} --help`)).text).toBe(text);
      for (const alias of command.aliases) expect((await run(`help ${alias}`)).text).toBe(text);
    });

    test("has examples that it takes", () => {
      for (const { line } of command.examples) {
        const [first, ...rest] = parseLine(line).words;
        const words = first === "servebench" ? rest : [first!, ...rest];
        const { flags, words: taken, name: found } = session.find(words[0]!);
        // Flags that launch does not know are the server's.
        if (found === "launch") continue;
        expect(() => parseFlags(flags, words.slice(1), taken)).not.toThrow();
      }
    });

    test("answers a misspelt name and a misspelt flag with near ones", async () => {
      const wrong = await run(`${name}x`);
      expect(wrong.code).toBe(2);
      expect(wrong.text).toContain(`unknown command '${name}x' (did you mean`);
      const flag = Object.keys(command.flags).find((other) => other.length > 4);
      if (flag === undefined || name === "launch") return;
      const misspelt = `--${flag.slice(0, 1)}q${flag.slice(1)}`;
      const { code, text } = await run(`${name} ${misspelt}`);
      expect(code).toBe(2);
      expect(text).toMatch(
        new RegExp(`^${name}: unknown flag ${misspelt} \\(did you mean .*--${flag}`),
      );
    });
  },
);

test.each(Object.keys(topics))("help %s fits 80 columns", async (topic) => {
  const { code, text } = await run(`help ${topic}`);
  expect(code).toBe(0);
  expect(text).not.toStartWith("\n");
  fits(text);
});

test("what help topics call a line of the session is one", () => {
  const lines = Object.values(topics)
    .flatMap(({ text }) => text.split("\n"))
    .flatMap((line) => /^ {2}((?!servebench)[a-z]+ \S.*?)(?: {2,}|$)/.exec(line)?.[1] ?? []);
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines.filter((one) => !one.endsWith("\\"))) {
    expect(() => session.find(parseLine(line).words[0]!)).not.toThrow();
  }
});
