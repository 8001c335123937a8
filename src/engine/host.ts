/** The engine as the server sees it: requests in, events out, while the steps run in a thread of their own. */
import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import { Backend } from "../program/index.ts";
import { startWorker } from "../runtime/workers.ts";
import type { ModelSource } from "../model/index.ts";
import type {
  Engine,
  EngineLimits,
  EngineLoad,
  EngineMemory,
  FinishReason,
  GenerateRequest,
  GenerateSink,
  LoadListener,
  TokenLogprob,
} from "./api.ts";
import { cells, type Commands, type WorkerData, type WorkerMessage } from "./channel.ts";
import { readEvents, type EventHandler, type EventMessage, type LoadWords } from "./events.ts";
import type { EngineOptions } from "./options.ts";
import { checkRequest } from "./request.ts";
import { addTotals, idleLoad } from "./totals.ts";

/**
 * Loads a model in a thread of its own and resolves once a step of it has run.
 * @throws Error with a sentence if options, model or memory do not allow it.
 */
export async function startEngine(source: ModelSource, options: EngineOptions): Promise<Engine> {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const workerData: WorkerData = {
    source,
    options,
    libraryPath: Backend.path(options.device),
    shared: control.buffer,
  };
  const worker = startWorker("engine", workerData);
  const { port1: port, port2 } = new MessageChannel();
  worker.postMessage(port2, [port2]);
  const first = await new Promise<WorkerMessage>((resolve, reject) => {
    port.once("message", resolve);
    worker.once("error", reject);
  }).catch((error: unknown) => ({ type: "failed" as const, message: String(error) }));
  if (first.type === "ready") return new HostedEngine(worker, port, control, first);
  port.close();
  throw new Error(first.type === "failed" ? first.message : "The engine's thread is not ready");
}

/** A request that has not ended. */
interface OpenRequest {
  readonly request: GenerateRequest;
  readonly sink: GenerateSink;
  /** Logprobs of the prompt as far as they have come; null once delivered or if not asked for. */
  promptLogprobs: TokenLogprob[] | null;
}

class HostedEngine implements Engine, EventHandler {
  readonly limits: EngineLimits;
  readonly memory: EngineMemory;
  readonly device: string;
  readonly ended: Promise<string>;
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  readonly #open = new Map<number, OpenRequest>();
  #nextId = 1;
  #submits: Commands["submits"][number][] = [];
  #aborts: number[] = [];
  #flushing = false;
  #load = idleLoad;
  readonly #listeners: LoadListener[] = [];
  #flushCache = false;
  #flushed: ((done: boolean) => void)[] = [];
  /** Why no more requests are taken, once that is so. */
  #endReason: string | null = null;
  #failure: Error | null = null;

  constructor(
    worker: Worker,
    port: MessagePort,
    control: Int32Array,
    { limits, memory, device }: WorkerMessage & { type: "ready" },
  ) {
    this.limits = limits;
    this.memory = memory;
    this.device = device;
    this.#port = port;
    this.#control = control;
    port.on("message", (message: WorkerMessage) => {
      if (message.type === "events") this.#receive(message);
      else if (message.type === "flushed") this.#answerFlushes(message.done);
    });
    worker.on("error", (error) => {
      this.#failure = new Error(
        `The engine's thread failed: ${error instanceof Error ? error.message : error}`,
      );
      this.#endReason = this.#failure.message;
    });
    this.ended = new Promise((resolve) => {
      worker.once("exit", () => resolve(this.#end()));
    });
  }

  submit(request: GenerateRequest, sink: GenerateSink): number {
    if (this.#endReason !== null) throw new Error(this.#endReason);
    checkRequest(request, this.limits);
    const id = this.#nextId++;
    const wanted = (request.logprobs?.promptStart ?? -1) >= 0;
    this.#open.set(id, { request, sink, promptLogprobs: wanted ? [] : null });
    // A copy, since cloning a view would send all of the buffer behind it.
    this.#submits.push({ id, request: { ...request, promptIds: request.promptIds.slice() } });
    this.#flushSoon();
    return id;
  }

  abort(id: number): void {
    if (!this.#open.has(id)) return;
    this.#aborts.push(id);
    this.#flushSoon();
  }

  load(): EngineLoad {
    const running = Math.min(this.#load.running, this.#open.size);
    return { ...this.#load, running, waiting: this.#open.size - running };
  }

  loads(): readonly EngineLoad[] {
    return [this.load()];
  }

  observe(listener: LoadListener): void {
    this.#listeners.push(listener);
  }

  flushCache(): Promise<boolean> {
    if (this.#endReason !== null) return Promise.resolve(false);
    this.#flushCache = true;
    this.#flushSoon();
    return new Promise((resolve) => this.#flushed.push(resolve));
  }

  async close(): Promise<void> {
    if (this.#endReason !== null) return void (await this.ended);
    this.#endReason = "The engine is closed";
    this.#flush(true);
    await this.ended;
    if (this.#failure !== null) throw this.#failure;
  }

  // ---- commands ----

  /** Commands of one turn of the event loop go as one message. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      if (this.#flushing) this.#flush(false);
    });
  }

  #flush(close: boolean): void {
    const commands: Commands = {
      submits: this.#submits,
      aborts: this.#aborts,
      flushCache: this.#flushCache,
      close,
    };
    this.#flushing = this.#flushCache = false;
    this.#submits = [];
    this.#aborts = [];
    this.#port.postMessage(commands);
    this.#signal(cells.bell);
  }

  #signal(cell: number): void {
    Atomics.add(this.#control, cell, 1);
    Atomics.notify(this.#control, cell);
  }

  // ---- events ----

  #receive(message: EventMessage): void {
    readEvents(message, this);
    if (this.#listeners.length > 0) {
      const load = this.load();
      for (const listener of this.#listeners) listener(load, 0);
    }
    // Acknowledged after a turn of the event loop, so that what else waits there has its turn too.
    setImmediate(() => this.#signal(cells.acknowledged));
  }

  #answerFlushes(done: boolean): void {
    for (const answer of this.#flushed.splice(0)) answer(done);
  }

  onLoad(words: LoadWords): void {
    const { running, waiting, usedTokens, evictableTokens, newTokenRatioMillionths } = words;
    const newTokenRatio = newTokenRatioMillionths / 1e6;
    const totals = addTotals(this.#load.totals, words);
    this.#load = { running, waiting, usedTokens, evictableTokens, newTokenRatio, totals };
  }

  onAdmitted(id: number, cachedTokens: number): void {
    this.#open.get(id)?.sink.onAdmitted(cachedTokens);
  }

  onPromptLogprob(id: number, logprob: TokenLogprob): void {
    this.#open.get(id)?.promptLogprobs?.push(logprob);
  }

  onToken(id: number, token: number, logprob: TokenLogprob | null): void {
    const open = this.#open.get(id);
    if (!open) return;
    deliverPrompt(open);
    open.sink.onToken(token, logprob);
  }

  onFinish(id: number, reason: FinishReason): void {
    const open = this.#open.get(id);
    if (!open) return;
    if (reason.type !== "abort") deliverPrompt(open);
    this.#open.delete(id);
    open.sink.onFinish(reason);
  }

  /** The thread is gone: whatever is still open will get no more tokens. */
  #end(): string {
    const message = (this.#endReason ??= "The engine's thread has ended");
    this.#port.close();
    this.#answerFlushes(false);
    for (const id of this.#open.keys()) this.onFinish(id, { type: "abort", message });
    return message;
  }
}

/** Delivers the prompt's logprobs, once; the prompt's first token has none. */
function deliverPrompt(open: OpenRequest): void {
  if (open.promptLogprobs === null) return;
  const first = { token: open.request.promptIds[0]!, logprob: null, top: [] };
  const fromFirst = open.request.logprobs?.promptStart === 0;
  open.sink.onPromptLogprobs(fromFirst ? [first, ...open.promptLogprobs] : open.promptLogprobs);
  open.promptLogprobs = null;
}
