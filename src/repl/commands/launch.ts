/** `launch [KIND] [MODEL] [flags]`: starts a server and makes it the one in use. */
import { existsSync } from "node:fs";
import { defineCommand, type Command, type CommandIo } from "../../commands/command.ts";
import { intFlag, intsFlag, parseFlags, textFlag, type FlagValues } from "../../commands/flags.ts";
import { serve } from "../../commands/serve.ts";
import { templateNames, templates } from "../../launch/index.ts";
import { nearest } from "../../nearest.ts";
import { fit } from "../../terminal/width.ts";
import { UsageError } from "../../user-error.ts";
import type { Session } from "../session.ts";
import { use } from "./servers.ts";

const words = {
  kind: textFlag(
    `Kind of server: ${templates.map(({ name, summary }) => `${name} (${summary})`).join("; ")}. servebench if not given.`,
    { placeholder: "KIND" },
  ),
  model: textFlag("Model, as the server takes it.", { placeholder: "MODEL" }),
};

const flags = {
  name: textFlag("What the session calls it; by its kind if not given.", { placeholder: "NAME" }),
  port: intFlag("Port to listen on; a free one if not given.", { min: 1, max: 65535 }),
  host: textFlag("Address to listen on.", { placeholder: "HOST" }),
  gpus: intsFlag("Numbers of the GPUs that it may see; all if not given.", { min: 0 }),
  program: textFlag("The engine's program or virtual environment, where it is not in PATH.", {
    placeholder: "PATH",
  }),
};
type Values = FlagValues<typeof flags>;
const kinds: readonly string[] = templateNames;

export const launchCommand = (session: Session): Command => ({
  ...defineCommand({
    name: "launch",
    summary: "start a server, ours or another, and use it",
    description:
      "Starts a server and waits until it answers; with & one can go on typing meanwhile. Flags that launch does not know go to the server. " +
      "For the kind command all words after it are the server's command line, in which {port}, {host} and {model} are filled in. " +
      "The server becomes the one that bench and the others load. It ends with the session.",
    examples: [
      { line: "launch preset:tiny", says: "this program's engine with its smallest model" },
      {
        line: "launch vllm meta-llama/Llama-3.1-8B --gpus 0 1 --max-model-len 8192",
        says: "vLLM on two GPUs, with a flag of its own",
      },
      {
        line: "launch command --name mine ./server --listen 127.0.0.1:{port}",
        says: "any server that answers at /health or /v1/models",
      },
    ],
    words,
    flags,
    run: async () => 0,
  }),
  run: (argv, io) => launch(session, parse(argv), io),
});

interface Asked {
  readonly kind: string;
  readonly model: string | null;
  readonly values: Values;
  readonly args: readonly string[];
}

/** Our flags are told from the server's by their names. @throws UsageError */
function parse(argv: readonly string[]): Asked {
  const own: string[] = [];
  const rest: string[] = [];
  let kind: string | null = null;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const name = /^--([a-z]+)/.exec(word)?.[1] ?? "";
    // The words of a whole command line are its own.
    const over = kind === "command" && rest.length > 0;
    if (over || !Object.hasOwn(flags, name)) {
      const isKind = kind === null && rest.length === 0 && kinds.includes(word);
      if (isKind) kind = word;
      else rest.push(word);
      continue;
    }
    own.push(word);
    if (word.includes("=")) continue;
    const isNext = (): boolean =>
      i + 1 < argv.length && (name !== "gpus" || /^\d+$/.test(argv[i + 1]!));
    const most = name === "gpus" ? Infinity : 1;
    for (let taken = 0; taken < most && isNext(); taken++) own.push(argv[++i]!);
  }
  const values = parseFlags(
    flags,
    own.flatMap((word) => splitGpus(word, own)),
  );
  if (kind === "command") return { kind, model: null, values, args: rest };
  const model = rest[0] === undefined || rest[0].startsWith("-") ? null : rest[0];
  const args = model === null ? rest : rest.slice(1);
  if (kind === null && model !== null) checkModel(model, args);
  return { kind: kind ?? "servebench", model, values, args: checked(kind, args) };
}

/** "0,1" is what CUDA_VISIBLE_DEVICES has taught people to write. */
function splitGpus(word: string, all: readonly string[]): string[] {
  return all.includes("--gpus") && /^\d+(,\d+)+$/.test(word) ? word.split(",") : [word];
}

/** The first word is a kind if it is one, else our engine's model. @throws UsageError where it looks like a kind misspelt. */
function checkModel(model: string, args: readonly string[]): void {
  const near = nearest(model, kinds);
  const isModel = /[/:.]/.test(model) || existsSync(model);
  const wordFollows = args[0] !== undefined && !args[0].startsWith("-");
  if (isModel || (near === "" && !wordFollows)) return;
  throw new UsageError(`'${model}' is no kind of server${near}; there are ${kinds.join(", ")}`);
}

/** A mistake in our own engine's flags is told before it starts. */
function checked(kind: string | null, args: readonly string[]): readonly string[] {
  if (kind === null || kind === "servebench") parseFlags(serve.flags, args);
  return args;
}

async function launch(session: Session, asked: Asked, io: CommandIo): Promise<number> {
  const { kind, model, args, values } = asked;
  if (kind === "command" && args.length === 0) {
    throw new UsageError("command needs the server's command line after it");
  }
  const startMs = performance.now();
  const gpus = values.gpus.length === 0 ? null : values.gpus;
  const server = await session.fleet.launch(
    {
      template: kind,
      model,
      args,
      name: values.name,
      port: values.port,
      host: values.host,
      gpus,
      program: values.program,
    },
    {
      signal: io.signal,
      onWait: (seconds, line) => {
        if (io.isTerminal)
          session.ui.status([fit(`starting, ${Math.floor(seconds)} s: ${line}`, io.columns)]);
      },
    },
  );
  server.onEnd(({ crash }) => {
    if (session.inUse === server) session.inUse = null;
    if (crash !== null && !session.leaving) session.ui.err(`${crash}\n`);
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  io.stdout(
    `${server.name}: ready at ${server.baseUrl} after ${seconds} s (${server.model ?? "model unknown"})\n`,
  );
  use(session, server);
  return 0;
}
