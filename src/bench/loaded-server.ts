/** The server that a series of runs loads: one that is started for it, or one that runs already. */
import {
  freePort,
  healthStatus,
  launchServer,
  programOf,
  readyLine,
  templateOf,
  type LaunchedServer,
} from "../launch/index.ts";
import { runtime } from "../runtime/index.ts";
import { UserError } from "../user-error.ts";
import { commandLine, shellWord } from "./command-line.ts";
import type { Measurements } from "./measurements.ts";
import type { BenchOptions } from "./options.ts";
import { appendLine } from "./report/jsonl.ts";
import { besideOutput } from "./results/ledger.ts";
import { type BenchIo, type BenchRun, runBench } from "./run.ts";

/** A server to start, by flags of `servebench serve` or by another engine's template, or one that runs already. */
export type ServerChoice =
  | { readonly kind: "own"; readonly flags: readonly string[] }
  | {
      readonly kind: "template";
      readonly template: string;
      readonly model: string;
      readonly args: readonly string[];
    }
  | { readonly kind: "running"; readonly baseUrl: string };

/** The command that a user would type to start the server, on its usual port, or the address of the running one. */
export function serverText(server: ServerChoice): string {
  if (server.kind === "running") return server.baseUrl;
  if (server.kind === "own") return commandLine("launch_server", server.flags);
  const { port, program } = templateOf(server.template);
  return templateCommand(server, program?.names[0] ?? "", port)
    .map(shellWord)
    .join(" ");
}

const host = "127.0.0.1";

function templateCommand(
  { template, model, args }: ServerChoice & { kind: "template" },
  program: string,
  port: number,
): readonly string[] {
  return templateOf(template).command(program, { model, args, host, port });
}

export interface LoadedServer {
  readonly baseUrl: string;
  /** Its signal is also aborted when the server ends by itself. */
  readonly io: BenchIo;
  /** What became of a server that answers no more; null while it does. */
  crash(): Promise<UserError | null>;
  close(): Promise<void>;
}

/** Starts the server, if it is not one that runs. @throws UserError */
export async function openServer(
  server: ServerChoice,
  logFile: string,
  io: BenchIo,
): Promise<LoadedServer> {
  if (server.kind === "running") {
    const { baseUrl } = server;
    const crash = async (): Promise<UserError | null> => {
      const answers = (await healthStatus(baseUrl, io.signal)) !== null;
      return answers ? null : new UserError(`--base-url: ${baseUrl} does not answer any more`);
    };
    return { baseUrl, io, crash, close: async () => {} };
  }
  const started = await start(server, logFile, io);
  const ready = readyLine.exec(started.log())?.[0] ?? `ready at ${started.baseUrl}`;
  io.stdout(`${ready}\n`);
  const died = new AbortController();
  void started.ended.then(() => died.abort());
  const signal = AbortSignal.any([io.signal, died.signal]);
  return {
    baseUrl: started.baseUrl,
    io: { ...io, signal },
    crash: () => started.crash(io.signal),
    close: () => started.stop(),
  };
}

/** Loading tens of gigabytes from a slow disk is not a fault. */
const readyTimeoutMs = 60 * 60 * 1000;

async function start(
  server: Exclude<ServerChoice, { kind: "running" }>,
  logFile: string,
  io: BenchIo,
): Promise<LaunchedServer> {
  const { command, address } = await onFreePort(server);
  io.stdout(`Starting the server; its log is ${logFile}\n`);
  const onWait = (seconds: number, line: string): void => {
    if (!io.isTerminal) return;
    const text = `${seconds.toFixed(0)} s  ${line}`.slice(0, io.columns - 1);
    io.stderr(`\r${text}\u001b[K`);
  };
  try {
    const watch = { signal: io.signal, onWait };
    return await launchServer({ command, logFile, address, readyTimeoutMs }, watch);
  } finally {
    if (io.isTerminal) io.stderr("\r\u001b[K");
  }
}

/** The words that start the server, and how it is known where it listens. */
async function onFreePort(server: Exclude<ServerChoice, { kind: "running" }>) {
  if (server.kind === "own") {
    return {
      command: [...runtime.selfCommand(), "launch_server", ...server.flags, "--port", "0"],
      address: (log: string): string | null => readyLine.exec(log)?.[1] ?? null,
    };
  }
  const template = templateOf(server.template);
  const program = programOf(template, null);
  const port = await freePort(host, template.port, new Set());
  return {
    command: templateCommand(server, program, port),
    address: () => `http://${host}:${port}`,
  };
}

/**
 * Does one run. The line of a run that was interrupted, or met a dying server, goes beside the others, not among them.
 * @param more Further fields of the line.
 * @returns The run; null if it did not come to its end.
 */
export async function runAndKeep(
  server: LoadedServer,
  options: BenchOptions,
  outputFile: string,
  more: (measurements: Measurements) => object = () => ({}),
): Promise<BenchRun | null> {
  let kept: BenchRun | null = null;
  const keepLine: BenchIo["keepLine"] = async (line, run, measurements) => {
    const { facts, metrics } = run;
    const whole =
      !facts.interrupted &&
      metrics.completed > 0 &&
      (metrics.completed === facts.planned || (await server.crash()) === null);
    const file = whole ? outputFile : besideOutput(outputFile, ".incomplete.jsonl");
    appendLine(file, withFields(line, more(measurements)));
    if (whole) kept = run;
  };
  const io = { ...server.io, keepLine };
  await runBench({ ...options, baseUrl: server.baseUrl, outputFile }, io);
  return kept;
}

/** The line's own text stays as it is. */
function withFields(line: string, more: object): string {
  const text = JSON.stringify(more);
  return text === "{}" ? line : `${line.slice(0, -1)}, ${text.slice(1)}`;
}
