/** `servebench serve`: model, tokenizer and engine become a server that runs until it is told to stop. */
import {
  defaults,
  startEngine,
  startReplicas,
  type Engine,
  type EngineOptions,
  type LoadBalanceMethod,
} from "../engine/index.ts";
import { exitCode, type ExitCode } from "../exit-code.ts";
import type { HubUser } from "../hub/hub.ts";
import { eosIds, resolveModel, type ResolvedModel } from "../hub/resolve.ts";
import { TokenizerClient } from "../tokenizer/client.ts";
import { loadTokenBytes } from "../tokenizer/source.ts";
import { printableIds } from "../tokenizer/printable.ts";
import { UserError } from "../user-error.ts";
import type { DefaultSampling, ServerContext } from "./context.ts";
import { EngineWatch } from "./engine-watch.ts";
import { gatherRepeats, type Log, type LogLevel } from "./log.ts";
import { RequestMetrics } from "./metrics/requests.ts";
import { startServer, type RunningServer } from "./index.ts";
import { readChatTemplate } from "./chat-template.ts";
import type { ChatTemplate } from "./json-template.ts";
import { noTokenizer } from "./no-tokenizer.ts";
import { RunningRequests } from "./running.ts";
import { seedSource } from "./sampling.ts";

/** The flags of the command, null where they were not given. */
export interface ServeOptions {
  readonly modelPath: string;
  readonly revision: string | null;
  readonly tokenizerPath: string | null;
  readonly servedModelName: string | null;
  readonly host: string;
  readonly port: number;
  readonly apiKey: string | null;
  readonly device: "auto" | "cpu" | "null";
  readonly loadFormat: "auto" | "safetensors" | "dummy";
  readonly dtype: "auto" | "bfloat16" | "float32";
  readonly contextLength: number | null;
  readonly memFractionStatic: number | null;
  readonly maxTotalTokens: number | null;
  readonly maxRunningRequests: number | null;
  readonly maxNumReqs: number | null;
  readonly chunkedPrefillSize: number | null;
  readonly maxPrefillTokens: number | null;
  readonly pageSize: number;
  readonly maxQueuedRequests: number | null;
  readonly threads: number | null;
  readonly randomSeed: number | null;
  readonly disableRadixCache: boolean;
  readonly schedulePolicy: "fcfs" | "lpm";
  readonly scheduleConservativeness: number;
  readonly dpSize: number;
  readonly loadBalanceMethod: LoadBalanceMethod;
  readonly streamInterval: number;
  readonly enableCacheReport: boolean;
  readonly chatTemplate: string | null;
  readonly skipTokenizerInit: boolean;
  readonly logLevel: LogLevel;
  readonly logRequests: boolean;
  readonly decodeLogInterval: number;
}

interface ServeIo {
  stdout(text: string): void;
  stderr(text: string): void;
  /** Whether standard error takes redrawn lines, and how wide it is. */
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly signal: AbortSignal;
}

/** What is on disk, and a template that the user has given in place of the model's own. */
interface ModelToServe extends ResolvedModel {
  readonly chatTemplate: ChatTemplate | null;
}

const maxBodyBytes = 64 * 2 ** 20;
const bodyStallMs = 30_000;
/** What running requests get to end after the first Ctrl-C; the second ends the program at once. */
const graceMs = 10_000;

/** Serves until the signal. @throws UserError if it cannot begin. */
export async function runServer(options: ServeOptions, io: ServeIo): Promise<ExitCode> {
  const startedMs = performance.now();
  const log = logger(options, io);
  const chatTemplate = readChatTemplate(options);
  const found = await findModel(options, io, log);
  if (found === null) return exitCode.interrupted;
  const model: ModelToServe = { ...found, chatTemplate };
  log("info", `loading ${model.name}`);
  const [tokenizer, engine] = await load(model, options);
  try {
    const context = serverContext(model, tokenizer, engine, options, gatherRepeats(log));
    const server = await listen(context, options);
    context.phase = "ready";
    context.startupSeconds = (performance.now() - startedMs) / 1000;
    const seconds = context.startupSeconds.toFixed(1);
    log("info", `The server is fired up and ready to roll! (${seconds} s)`);
    io.stdout(
      `servebench: ready at http://${urlHost(options.host)}:${server.port} ` +
        `(${context.model.servedName}, ${engine.device}, ${engine.limits.maxTotalTokens} KV tokens)\n`,
    );
    const fault = await Promise.race([aborted(io.signal), engine.ended, context.tokenizer.ended]);
    if (fault === null) {
      const { running, waiting } = engine.load();
      log("info", `stopping: ${running} running and ${waiting} waiting requests`);
    } else log("error", `stopping: ${fault}`);
    await server.close(graceMs);
    context.watch.close();
    log("info", "stopped");
    return fault === null ? exitCode.success : exitCode.failure;
  } finally {
    await Promise.all([engine.close(), tokenizer?.close()]);
  }
}

/** null: told to stop while the model was being downloaded. */
async function findModel(
  options: ServeOptions,
  io: ServeIo,
  log: Log,
): Promise<ResolvedModel | null> {
  const { modelPath, tokenizerPath, revision, loadFormat, logLevel } = options;
  const note = (line: string) => log("info", line);
  const showsBar = io.isTerminal && ["info", "debug"].includes(logLevel);
  const user: HubUser = { ...io, stderr: (text) => io.stderr(text), note, isTerminal: showsBar };
  try {
    return await resolveModel(modelPath, {
      loadFormat,
      user,
      ...(tokenizerPath === null ? {} : { tokenizerPath }),
      ...(revision === null ? {} : { revision }),
    });
  } catch (error) {
    if (!io.signal.aborted) throw userError(error);
    note("stopped; the next start takes up what has been downloaded");
    return null;
  }
}

/**
 * Tokenizer and engine start side by side; neither is left running when the other fails. The tokenizer is null
 * where none is wanted.
 */
async function load(
  model: ModelToServe,
  options: ServeOptions,
): Promise<[TokenizerClient | null, Engine]> {
  const { dpSize, loadBalanceMethod } = options;
  const chosen = engineOptions(model, options);
  const engine =
    dpSize === 1
      ? startEngine(model, chosen)
      : startReplicas(model, chosen, dpSize, loadBalanceMethod);
  const chatTemplate = model.chatTemplate?.jinja;
  const source = { ...model.tokenizer, ...(chatTemplate !== undefined && { chatTemplate }) };
  const tokenizer = options.skipTokenizerInit ? null : TokenizerClient.start(source);
  const [openedTokenizer, openedEngine] = await Promise.allSettled([tokenizer, engine]);
  if (openedTokenizer.status === "fulfilled" && openedEngine.status === "fulfilled") {
    return [openedTokenizer.value, openedEngine.value];
  }
  if (openedTokenizer.status === "fulfilled") await openedTokenizer.value?.close();
  if (openedEngine.status === "fulfilled") await openedEngine.value.close();
  const failed = [openedEngine, openedTokenizer].find((result) => result.status === "rejected")!;
  throw userError(failed.reason);
}

function engineOptions(model: ResolvedModel, options: ServeOptions): EngineOptions {
  const given = {
    contextLength: options.contextLength,
    memFractionStatic: options.memFractionStatic,
    maxTotalTokens: options.maxTotalTokens,
    maxRunning: mostRunning(options),
    // As in SGLang, -1 and 0 switch chunks off.
    chunkedPrefillSize:
      (options.chunkedPrefillSize ?? 1) < 1 ? Infinity : options.chunkedPrefillSize,
    maxPrefillTokens: options.maxPrefillTokens,
    pageSize: options.pageSize,
    threads: options.threads,
  };
  const set = Object.entries(given).filter(([, value]) => value !== null);
  return {
    device: options.device === "auto" ? "cpu" : options.device,
    dtype: options.dtype,
    prefixCache: !options.disableRadixCache,
    schedulePolicy: options.schedulePolicy,
    scheduleConservativeness: options.scheduleConservativeness,
    // Most tokens of a model without meaning would else be halves of characters.
    drawableIds:
      model.weights.kind === "dummy" && !options.skipTokenizerInit
        ? printableIds(loadTokenBytes(model.tokenizer))
        : null,
    ...Object.fromEntries(set),
  };
}

/** SGLang keeps one row of its table of requests free. */
function mostRunning({ maxRunningRequests, maxNumReqs }: ServeOptions): number | null {
  if (maxNumReqs === null) return maxRunningRequests;
  return Math.min(maxRunningRequests ?? defaults.maxRunning, maxNumReqs - 1);
}

function serverContext(
  { name, config, generationConfig, chatTemplate }: ModelToServe,
  tokenizer: TokenizerClient | null,
  engine: Engine,
  options: ServeOptions,
  log: Log,
): ServerContext {
  return {
    engine,
    tokenizer: tokenizer ?? noTokenizer,
    model: {
      path: name,
      tokenizerPath: options.tokenizerPath ?? name,
      servedName: options.servedModelName ?? name,
      created: Math.floor(Date.now() / 1000),
      loadFormat: options.loadFormat,
      modelType: String(config["model_type"]),
      architectures: config["architectures"] as string[],
      eosIds: eosIds({ config, generationConfig }, tokenizer?.facts.eosIds ?? []),
      chatStopStrings: chatTemplate?.stopStrings ?? [],
      defaultSampling: defaultSampling(generationConfig ?? {}),
    },
    options: {
      apiKey: options.apiKey,
      maxBodyBytes,
      queueLimit: options.maxQueuedRequests,
      logRequests: options.logRequests,
      streamInterval: options.streamInterval,
      cacheReport: options.enableCacheReport,
      bodyStallMs,
      skipTokenizer: options.skipTokenizerInit,
    },
    arguments: argumentsOf(options),
    watch: new EngineWatch(engine, log, options.decodeLogInterval),
    requests: new RequestMetrics(),
    startupSeconds: null,
    phase: "starting",
    running: new RunningRequests(),
    closing: new AbortController(),
    drawSeed: seedSource(options.randomSeed),
    log,
  };
}

/** The options by the names of their flags, in SGLang's spelling. */
export function argumentsOf({ apiKey, ...options }: ServeOptions): Record<string, unknown> {
  const named = Object.entries(options).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return { ...Object.fromEntries(named), api_key: apiKey === null ? null : "(set)" };
}

function defaultSampling(generationConfig: Readonly<Record<string, unknown>>): DefaultSampling {
  const names: Record<keyof DefaultSampling, string> = {
    temperature: "temperature",
    topP: "top_p",
    topK: "top_k",
    minP: "min_p",
    repetitionPenalty: "repetition_penalty",
  };
  const given = Object.entries(names)
    .map(([name, key]) => [name, generationConfig[key]] as const)
    .filter(([, value]) => typeof value === "number");
  return Object.fromEntries(given);
}

async function listen(context: ServerContext, options: ServeOptions): Promise<RunningServer> {
  try {
    return await startServer(context, options);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const where = `${options.host}:${options.port}`;
    throw new UserError(
      code === "EADDRINUSE"
        ? `--port: port ${options.port} is taken on ${options.host}; name another, or 0 for any free one`
        : `cannot listen on ${where}: ${message}`,
      { cause: error },
    );
  }
}

/** Errors of loading are sentences about the user's files and flags; anything else is a fault of the program. */
function userError(error: unknown): unknown {
  const isSentence = error instanceof Error && ["Error", "RangeError"].includes(error.name);
  return isSentence && !(error instanceof UserError)
    ? new UserError(error.message, { cause: error })
    : error;
}

function logger({ logLevel }: ServeOptions, io: ServeIo): Log {
  const levels: readonly LogLevel[] = ["error", "warning", "info", "debug"];
  const shown = levels.indexOf(logLevel);
  return (level, line) => {
    if (levels.indexOf(level) > shown) return;
    io.stderr(`[${new Date().toISOString().slice(0, 19).replace("T", " ")}] ${line}\n`);
  };
}

const urlHost = (host: string) => (host.includes(":") ? `[${host}]` : host);

/** Resolves when the signal comes. */
async function aborted(signal: AbortSignal): Promise<null> {
  if (signal.aborted) return null;
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(null), { once: true }),
  );
}
