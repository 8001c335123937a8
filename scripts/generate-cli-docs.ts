/** Writes docs/cli.md from the command table; a test fails while the file is out of date. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandHelp } from "../src/commands/help.ts";
import { commands } from "../src/commands/index.ts";
import { repl } from "../src/repl/command.ts";

export function cliDocs(): string {
  const sections = [repl, ...commands].map((command) =>
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
    "Environment: `OPENAI_API_KEY` is sent by `bench` as bearer token;",
    "`SERVEBENCH_ISA=amx|avx512bf16|avx512|avx2|scalar` forces the CPU kernels of one instruction set;",
    "`SERVEBENCH_HOME` is the folder of the store of runs (else `$XDG_DATA_HOME/servebench`, else `~/.local/share/servebench`);",
    "`NO_COLOR=1` turns colours off;",
    "`SERVEBENCH_PROFILE=1` prints where the time of the CPU's steps went when the engine closes.",
    "",
    "For models, tokenizers and data sets of the Hugging Face Hub, the variables of huggingface_hub hold:",
    "",
    "| variable | says | if not set |",
    "|---|---|---|",
    "| `HF_TOKEN` (or `HUGGING_FACE_HUB_TOKEN`) | token for private and gated repositories | the file `HF_TOKEN_PATH`, else `$HF_HOME/token` |",
    "| `HF_HUB_DISABLE_IMPLICIT_TOKEN` | 1: send no token | |",
    "| `HF_ENDPOINT` | address of the Hub or of a mirror | `https://huggingface.co` |",
    "| `HF_HUB_CACHE` | folder of the cache, shared with other programs | `$HF_HOME/hub` |",
    "| `HF_HOME` | folder of cache and token | `$XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface` |",
    "| `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) | 1: use what the cache has and ask nobody | |",
    "| `HF_HUB_ETAG_TIMEOUT`, `HF_HUB_DOWNLOAD_TIMEOUT` | seconds of silence after which a question or a transfer is tried again | 10 |",
    "| `HF_HUB_DISABLE_PROGRESS_BARS` | 1: plain lines on a terminal too | |",
    "| `HTTPS_PROXY`, `NO_PROXY` | the proxy for all of this, and where not to use it | |",
    "",
    "A model of the Hub is asked for its newest commit at each start, and only what the cache lacks is downloaded: the",
    "configuration, the tokenizer and the safetensors files, each checked against the Hub's sum. An interrupted download is",
    "taken up by the next start. When the Hub does not answer, what the cache has is used. A commit as `--revision` asks",
    "nobody once it is there.",
    "",
    ...sections,
  ].join("\n");
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "../docs/cli.md"), cliDocs());
