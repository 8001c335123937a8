/** How each kind of server is started and spoken to: one row of `templates` for each. */
import { existsSync } from "node:fs";
import { nearest } from "../nearest.ts";
import { runtime } from "../runtime/index.ts";
import { UsageError, UserError } from "../user-error.ts";
import {
  findProgram,
  foldersOf,
  searchFolders,
  similarPrograms,
  type WantedProgram,
} from "./programs.ts";

/** What a template makes a command line of. */
export interface Launch {
  /** null where the user named none. */
  readonly model: string | null;
  readonly host: string;
  readonly port: number;
  /** Further words of the user's. */
  readonly args: readonly string[];
}

export interface Template {
  readonly name: string;
  /** One line for lists. */
  readonly summary: string;
  /** For `bench --backend`. */
  readonly backend: string;
  /** Where its servers usually listen. */
  readonly port: number;
  /** null: this program itself, or what the user's words name. */
  readonly program: WantedProgram | null;
  /** Completes the sentence "cannot find X: ...". */
  readonly install: string;
  /** Flags that `launch` gives itself, so that a user may not. */
  readonly ownFlags: readonly string[];
  /** What a user would have to type instead, for lists and help. */
  readonly example: string;
  /** Model if the user names none; null: one must be named. */
  readonly defaultModel: string | null;
  /** Its first group is the address, when the server itself says that it is ready; null: its port is asked. */
  readonly readyLine: RegExp | null;
  /** Words of the command line; `program` is the path that was found. */
  command(program: string, launch: Launch): readonly string[];
}

/** From the line that `servebench serve` prints when it can answer. */
export const readyLine = /^servebench: ready at (http:\S+).*$/m;

const listen = ({ host, port }: Launch): string[] => ["--host", host, "--port", String(port)];

export const templates = [
  {
    name: "servebench",
    summary: "this program's own engine",
    backend: "sglang",
    port: 30000,
    program: null,
    install: "",
    ownFlags: ["--model-path", "--host", "--port"],
    example: "servebench serve --model-path preset:tiny",
    defaultModel: "preset:tiny",
    readyLine,
    command: (_, launch) => [
      ...runtime.selfCommand(),
      "serve",
      "--model-path",
      launch.model!,
      ...listen(launch),
      ...launch.args,
    ],
  },
  {
    name: "sglang",
    summary: "SGLang's launch_server",
    backend: "sglang",
    port: 30000,
    program: { names: ["python3", "python"], module: "sglang" },
    install: "pip install 'sglang[all]' into a virtual environment",
    ownFlags: ["--model-path", "--model", "--host", "--port"],
    example: "python -m sglang.launch_server --model-path MODEL",
    defaultModel: null,
    readyLine: null,
    command: (python, launch) => [
      python,
      "-m",
      "sglang.launch_server",
      "--model-path",
      launch.model!,
      ...listen(launch),
      ...launch.args,
    ],
  },
  {
    name: "vllm",
    summary: "vLLM's OpenAI server",
    backend: "vllm",
    port: 8000,
    program: { names: ["vllm"] },
    install: "pip install vllm into a virtual environment",
    ownFlags: ["--model", "--host", "--port"],
    example: "vllm serve MODEL",
    defaultModel: null,
    readyLine: null,
    command: (vllm, launch) => [vllm, "serve", launch.model!, ...listen(launch), ...launch.args],
  },
  {
    name: "trtllm",
    summary: "TensorRT-LLM's OpenAI server",
    backend: "vllm", // the same requests, ignore_eos too
    port: 8000,
    program: { names: ["trtllm-serve"] },
    install: "pip install tensorrt-llm into a virtual environment",
    ownFlags: ["--host", "--port"],
    example: "trtllm-serve MODEL",
    defaultModel: null,
    readyLine: null,
    command: (serve, launch) => [serve, launch.model!, ...listen(launch), ...launch.args],
  },
  {
    name: "llama-server",
    summary: "llama.cpp's server; the model is a GGUF file, or org/name of the Hub",
    backend: "llama.cpp",
    port: 8080,
    program: { names: ["llama-server"] },
    install: "build or download llama.cpp and put its folder into PATH",
    ownFlags: ["-m", "--model", "-hf", "--host", "--port"],
    example: "llama-server -m FILE.gguf",
    defaultModel: null,
    readyLine: null,
    command: (server, launch) => [
      server,
      existsSync(launch.model!) ? "-m" : "-hf",
      launch.model!,
      ...listen(launch),
      ...launch.args,
    ],
  },
  {
    name: "command",
    summary:
      "any other server, by its whole command line; {port}, {host} and {model} are filled in",
    backend: "openai",
    port: 8000,
    program: null,
    install: "",
    ownFlags: [],
    example: "text-server --listen {host}:{port}",
    defaultModel: null,
    readyLine: null,
    command: (_, { model, host, port, args }) =>
      args.map((word) =>
        word
          .replaceAll("{port}", String(port))
          .replaceAll("{host}", host)
          .replaceAll("{model}", model ?? ""),
      ),
  },
] as const satisfies readonly Template[];

export type TemplateName = (typeof templates)[number]["name"];
export const templateNames: readonly TemplateName[] = templates.map(({ name }) => name);

/** @throws UsageError that lists the names. */
export function templateOf(name: string): Template & { readonly name: TemplateName } {
  const found = templates.find((template) => template.name === name);
  if (found) return found;
  const all = templateNames.join(", ");
  const near = nearest(name, templateNames);
  throw new UsageError(`'${name}' is not a kind of server${near}; the kinds are ${all}`);
}

/**
 * The template that a pasted command line is of, e.g. `sglang` for `python -m sglang.launch_server ...`: its wire
 * format and usual port hold for it. `command` if it is none of the known ones.
 */
export function recognise(words: readonly string[]): Template {
  const isOf = (name: TemplateName): boolean =>
    words.some((word) => commandSigns[name]?.test(word) ?? false);
  return templateOf(templateNames.find(isOf) ?? "command");
}

const commandSigns: Partial<Record<TemplateName, RegExp>> = {
  servebench: /(^|\/)servebench$/,
  sglang: /^sglang\b|(^|\/)sglang$/,
  vllm: /^vllm\.|(^|\/)vllm$/,
  trtllm: /(^|\/)trtllm-serve$/,
  "llama-server": /(^|\/)llama-server$/,
};

/**
 * Path of the template's program.
 * @param named A program, or the folder of a virtual environment, of the user's; null searches.
 * @throws UserError that says where it was looked for and what to do.
 */
export function programOf(template: Template, named: string | null): string {
  const wanted = template.program;
  if (wanted === null) return "";
  const folders = named === null ? searchFolders() : foldersOf(named);
  const found = findProgram(wanted, folders);
  if (found !== null) return found;
  const similar = similarPrograms(wanted, folders);
  const what =
    wanted.module === undefined
      ? wanted.names.join(" or ")
      : `a Python that has the module ${wanted.module}`;
  throw new UserError(
    `cannot find ${what} in ${folders.join(", ")}` +
      `${similar.length > 0 ? ` (there is ${similar.join(", ")})` : ""}: ${template.install}, and start ` +
      `this program in it or name its folder with --program; or start the server elsewhere and name its address`,
  );
}
