/**
 * A server over an engine and a tokenizer whose every answer can be foretold. Ids 0-255 are single bytes, so
 * text splits wherever a test wants; then come two special tokens and a few longer pieces.
 */
import type {
  Engine,
  GenerateRequest,
  GenerateSink,
  LogprobRequest,
  TokenLogprob,
} from "../../src/engine/api.ts";
import { idleLoad } from "../../src/engine/totals.ts";
import type { ServerContext, ServerTokenizer } from "../../src/server/context.ts";
import { EngineWatch } from "../../src/server/engine-watch.ts";
import type { Log } from "../../src/server/log.ts";
import { RequestMetrics } from "../../src/server/metrics/requests.ts";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { RunningRequests } from "../../src/server/running.ts";
import { seedSource } from "../../src/server/sampling.ts";
import { tokenFlag } from "../../src/tokenizer/tokenizer.ts";

export const bos = 256;
export const eos = 257;
export const hello = 258;
export const world = 259;
const pieces = ["<s>", "</s>", "hello", " world"];
export const vocabSize = 256 + pieces.length;

const encoder = new TextEncoder();
export const bytesOf = (text: string): number[] => [...encoder.encode(text)];

export const tokenizer: ServerTokenizer = {
  bytes: tokenBytes(),
  hasChatTemplate: true,
  ended: new Promise(() => {}),
  async encodeAll(texts, { addSpecialTokens = true } = {}) {
    return texts.map((text) => {
      if (text.startsWith("<s>")) return Int32Array.of(bos, ...bytesOf(text.slice(3)));
      return Int32Array.from(addSpecialTokens ? [bos, ...bytesOf(text)] : bytesOf(text));
    });
  },
  async applyChatTemplate(messages, addGenerationPrompt) {
    if (messages[0]?.role === "assistant") throw new Error("a user must speak first");
    const turns = messages.map(({ role, content }) => `${role}:${content}\n`).join("");
    return `<s>${turns}${addGenerationPrompt ? "assistant:" : ""}`;
  },
};

function tokenBytes() {
  const parts = [
    ...Array.from({ length: 256 }, (_, byte) => [byte]),
    ...pieces.map((piece) => bytesOf(piece)),
  ];
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, i) => (offsets[i + 1] = offsets[i]! + part.length));
  const flags = new Uint8Array(parts.length).fill(tokenFlag.piece);
  flags.fill(tokenFlag.special, bos, eos + 1);
  return { data: Uint8Array.from(parts.flat()), offsets, flags, stripsLeadingSpace: false };
}

/** What a request gets at a step: a token, nothing yet, or an end that the engine is to blame for. */
export type ScriptStep = number | "wait" | { readonly abort: string };
export type Script = (request: GenerateRequest, step: number) => ScriptStep;

/** a, b, c ... and again. */
export const alphabet: Script = (_, step) => 97 + (step % 26);
/** These tokens, then nothing more. */
export const tokens =
  (...list: ScriptStep[]): Script =>
  (_, step) =>
    list[step] ?? "wait";

interface Running {
  readonly id: number;
  readonly request: GenerateRequest;
  readonly sink: GenerateSink;
  step: number;
}

/** Each turn of the event loop gives every running request its next token. */
export class ScriptedEngine implements Engine {
  limits = { contextLength: 200, maxTotalTokens: 400, pageTokens: 16, maxRunning: 128, vocabSize };
  readonly memory = { weightBytes: 2 ** 30, kvCacheBytes: 2 ** 29 };
  readonly device = "scripted";
  readonly #end = Promise.withResolvers<string>();
  readonly ended = this.#end.promise;
  script: Script = alphabet;
  waiting = 0;
  readonly submitted: GenerateRequest[] = [];
  readonly aborted: number[] = [];
  private readonly running = new Map<number, Running>();
  private ticking = false;

  submit(request: GenerateRequest, sink: GenerateSink): number {
    const id = this.submitted.push(request) - 1;
    this.running.set(id, { id, request, sink, step: -1 });
    if (!this.ticking) setImmediate(() => this.tick());
    this.ticking = true;
    return id;
  }

  abort(id: number): void {
    this.aborted.push(id);
    const entry = this.running.get(id);
    this.running.delete(id);
    if (entry) {
      queueMicrotask(() => entry.sink.onFinish({ type: "abort", message: "asked to" }));
    }
  }

  load() {
    return { ...idleLoad, running: this.running.size, waiting: this.waiting };
  }

  loads() {
    return [this.load()];
  }

  observe(): void {}

  async flushCache(): Promise<boolean> {
    return this.running.size === 0;
  }

  /** As an engine whose thread fails. */
  die(message: string): void {
    for (const { sink } of this.running.values()) sink.onFinish({ type: "abort", message });
    this.running.clear();
    this.#end.resolve(message);
  }

  async close(): Promise<void> {
    for (const id of this.running.keys()) this.abort(id);
  }

  private tick(): void {
    for (const entry of this.running.values()) this.advance(entry);
    this.ticking = this.running.size > 0;
    if (this.ticking) setImmediate(() => this.tick());
  }

  private advance(entry: Running): void {
    const { id, request, sink } = entry;
    const { promptIds, maxNewTokens, logprobs, stopTokenIds } = request;
    const end = (reason: Parameters<GenerateSink["onFinish"]>[0]) => {
      this.running.delete(id);
      sink.onFinish(reason);
    };
    if (++entry.step === 0 && logprobs && logprobs.promptStart >= 0) {
      const positions = [...promptIds.keys()].slice(logprobs.promptStart);
      sink.onPromptLogprobs(positions.map((p) => logprobOf(promptIds[p]!, logprobs, p === 0)));
    }
    if (maxNewTokens === 0) return end({ type: "length" });
    const next = this.script(request, entry.step);
    if (next === "wait") return void entry.step--;
    if (typeof next === "object") return end({ type: "abort", message: next.abort });
    sink.onToken(next, logprobs && logprobOf(next, logprobs, false));
    if (stopTokenIds.includes(next)) end({ type: "stop", tokenId: next });
    else if (entry.step + 1 === maxNewTokens) end({ type: "length" });
  }
}

/** -id / 128, and the next ids as alternatives, each half as likely; of asked tokens -id. */
function logprobOf(
  token: number,
  { topCount, askedIds = [] }: LogprobRequest,
  isFirst: boolean,
): TokenLogprob {
  if (isFirst) return { token, logprob: null, top: [] };
  const logprob = -token / 128;
  const top = Array.from({ length: topCount }, (_, i) => ({
    token: token + i,
    logprob: logprob - i,
  }));
  const asked = askedIds.map((id) => ({ token: id, logprob: -id }));
  return asked.length === 0 ? { token, logprob, top } : { token, logprob, top, asked };
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly engine: ScriptedEngine;
  readonly context: ServerContext;
  readonly server: RunningServer;
  readonly logged: string[];
}

export function testContext(
  engine: Engine,
  options: Partial<ServerContext["options"]> = {},
  model: Partial<ServerContext["model"]> = {},
): ServerContext & { logged: string[] } {
  const logged: string[] = [];
  const log: Log = (level, line) => void logged.push(`${level}: ${line}`);
  return {
    engine,
    tokenizer,
    model: {
      path: "/models/toy",
      tokenizerPath: "/models/toy",
      servedName: "org/toy",
      created: 1_700_000_000,
      loadFormat: "auto",
      modelType: "llama",
      architectures: ["LlamaForCausalLM"],
      eosIds: [eos],
      chatStopStrings: [],
      defaultSampling: {},
      ...model,
    },
    options: {
      apiKey: null,
      maxBodyBytes: 1 << 20,
      queueLimit: null,
      logRequests: false,
      streamInterval: 1,
      cacheReport: false,
      bodyStallMs: 30_000,
      skipTokenizer: false,
      ...options,
    },
    arguments: {},
    watch: new EngineWatch(engine, log, 40),
    requests: new RequestMetrics(),
    startupSeconds: 1,
    phase: "ready",
    running: new RunningRequests(),
    closing: new AbortController(),
    drawSeed: seedSource(null),
    log,
    logged,
  };
}

export async function testServer(
  options: Partial<ServerContext["options"]> = {},
  model: Partial<ServerContext["model"]> = {},
): Promise<TestServer> {
  const engine = new ScriptedEngine();
  const context = testContext(engine, options, model);
  const server = await startServer(context, { host: "127.0.0.1", port: 0 });
  return {
    url: `http://127.0.0.1:${server.port}`,
    engine,
    context,
    server,
    logged: context.logged,
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

export function post(url: string, body: unknown, more: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...more,
  });
}

/** The text of a response with the times in it made equal. */
export async function stableText(response: Response): Promise<string> {
  const text = await response.text();
  return text
    .replace(/"created":\d{10}/g, '"created":0')
    .replace(/"e2e_latency":[\d.e-]+/g, '"e2e_latency":0')
    .replace(/"response_sent_to_client_ts":\d{10}[\d.]*/g, '"response_sent_to_client_ts":0');
}

/** Resolves when `condition` holds; a test that waits in vain fails by its time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
