/** Writes docs/cli.md from the command table; a test fails while the file is out of date. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandHelp } from "../src/commands/help.ts";
import { commands } from "../src/commands/index.ts";

export function cliDocs(): string {
  const sections = commands.map((command) =>
    [
      `## servebench ${command.name}`,
      "",
      "```text",
      commandHelp(command).trimEnd(),
      "```",
      "",
    ].join("\n"),
  );
  return [
    "# Command line",
    "",
    "`servebench COMMAND [--flags]`; `servebench --help` lists the commands. This page is made from the command table by",
    "`bun scripts/generate-cli-docs.ts`.",
    "",
    "Exit codes: 0 success, 1 the run failed (a missing file, a busy port, a server that does not answer), 2 wrong usage,",
    "3 a gate not met, 130 interrupted with partial results kept.",
    "",
    "Environment: `OPENAI_API_KEY` is sent by `bench` as bearer token; `HF_HOME`, `HF_HUB_CACHE` say where the Hugging Face",
    "cache lies; `SERVEBENCH_ISA=amx|avx512bf16|avx512|avx2|scalar` forces the CPU kernels of one instruction set.",
    "",
    ...sections,
  ].join("\n");
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../docs/cli.md"), cliDocs());
