/** Commands in this process, with a store of their own and a terminal of any kind. */
import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand } from "../../src/commands/index.ts";
import type { TerminalStyle } from "../../src/terminal/style.ts";

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export const pipe: TerminalStyle = { columns: null, colour: false, unicode: true };
export const narrow: TerminalStyle = { columns: 60, colour: false, unicode: true };

const folder = mkdtempSync(join(tmpdir(), "commands-"));
const before = process.env["SERVEBENCH_HOME"];
process.env["SERVEBENCH_HOME"] = join(folder, "home");
afterAll(() => {
  if (before === undefined) delete process.env["SERVEBENCH_HOME"];
  else process.env["SERVEBENCH_HOME"] = before;
  rmSync(folder, { recursive: true, force: true });
});

export const path = (name: string): string => join(folder, name);

/** Words are parted at blanks; errors are thrown. @param answer What the user says when asked. */
export async function say(
  line: string | readonly string[],
  { output = pipe, answer }: { output?: TerminalStyle; answer?: string } = {},
): Promise<Said> {
  const [name, ...argv] = typeof line === "string" ? line.split(" ") : line;
  let [out, err] = ["", ""];
  const code = await findCommand(name!)!.run(argv, {
    stdout: (text) => void (out += text),
    stderr: (text) => void (err += text),
    isTerminal: false,
    columns: 80,
    output,
    ask:
      answer === undefined
        ? null
        : async (question) => {
            err += question;
            return answer;
          },
    signal: new AbortController().signal,
  });
  return { code, out: out.replaceAll(folder, "FOLDER"), err: err.replaceAll(folder, "FOLDER") };
}
