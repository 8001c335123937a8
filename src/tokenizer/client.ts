/**
 * A tokenizer in a worker thread: a 4 kB prompt takes a millisecond, which the thread that streams tokens
 * cannot spare. Here stay the tables that turn ids into text.
 */
import type { Worker } from "node:worker_threads";
import { startWorker } from "../runtime/workers.ts";
import type {
  ChatMessage,
  EncodeOptions,
  TokenBytes,
  TokenizerFacts,
  TokenizerSource,
} from "./tokenizer.ts";

type TokenizerCall =
  | { readonly kind: "encode"; readonly texts: readonly string[]; readonly options: EncodeOptions }
  | {
      readonly kind: "chat";
      readonly messages: readonly ChatMessage[];
      readonly addGenerationPrompt: boolean;
    };
export type TokenizerRequest = TokenizerCall & { readonly call: number };

export type TokenizerReply =
  | { readonly kind: "ready"; readonly facts: TokenizerFacts; readonly bytes: TokenBytes }
  | { readonly kind: "failed"; readonly message: string }
  | {
      readonly kind: "done";
      readonly call: number;
      readonly ids: Int32Array[];
      readonly text: string;
    }
  | { readonly kind: "error"; readonly call: number; readonly message: string };

interface Pending {
  resolve(done: { ids: Int32Array[]; text: string }): void;
  reject(error: Error): void;
}

export class TokenizerClient {
  readonly facts: TokenizerFacts;
  readonly hasChatTemplate: boolean;
  readonly bytes: TokenBytes;
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private nextCall = 0;
  /** Resolves with the reason, a sentence, when no more calls are answered. */
  readonly ended: Promise<string>;
  private readonly resolveEnded: (reason: string) => void;
  private endError: Error | null = null;

  /** Starts the worker; rejects with the loader's error when the tokenizer cannot be opened. */
  static start(source: TokenizerSource): Promise<TokenizerClient> {
    const worker = startWorker("tokenizer", source);
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", (reply: TokenizerReply) => {
        worker.off("error", reject);
        if (reply.kind === "ready")
          return resolve(new TokenizerClient(worker, reply.facts, reply.bytes));
        void worker.terminate();
        return reject(
          new Error(reply.kind === "failed" ? reply.message : "tokenizer worker is out of order"),
        );
      });
    });
  }

  private constructor(worker: Worker, facts: TokenizerFacts, bytes: TokenBytes) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.resolveEnded = resolve;
    this.worker = worker;
    this.facts = facts;
    this.hasChatTemplate = facts.hasChatTemplate;
    this.bytes = bytes;
    worker.on("message", (reply: TokenizerReply) => this.settle(reply));
    worker.on("error", (error: Error) => this.end(error));
    worker.on("exit", () => this.end(new Error("the tokenizer has ended")));
  }

  async encode(text: string, options: EncodeOptions = {}): Promise<Int32Array> {
    return (await this.encodeAll([text], options))[0]!;
  }

  async encodeAll(texts: readonly string[], options: EncodeOptions = {}): Promise<Int32Array[]> {
    return (await this.call({ kind: "encode", texts, options })).ids;
  }

  /** Rejects with the template's own message when it refuses the conversation. */
  async applyChatTemplate(
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
  ): Promise<string> {
    return (await this.call({ kind: "chat", messages, addGenerationPrompt })).text;
  }

  /** Ends the thread; calls that have no answer yet are rejected. */
  async close(): Promise<void> {
    this.end(new Error("the tokenizer is closed"));
    await this.worker.terminate();
  }

  private call(request: TokenizerCall): Promise<{ ids: Int32Array[]; text: string }> {
    if (this.endError) return Promise.reject(this.endError);
    const call = this.nextCall++;
    return new Promise((resolve, reject) => {
      this.pending.set(call, { resolve, reject });
      this.worker.postMessage({ ...request, call } satisfies TokenizerRequest);
    });
  }

  private settle(reply: TokenizerReply): void {
    if (reply.kind !== "done" && reply.kind !== "error") return;
    const pending = this.pending.get(reply.call);
    this.pending.delete(reply.call);
    if (reply.kind === "done") pending?.resolve(reply);
    else pending?.reject(new Error(reply.message));
  }

  private end(error: Error): void {
    this.endError ??= error;
    this.resolveEnded(this.endError.message);
    for (const { reject } of this.pending.values()) reject(this.endError);
    this.pending.clear();
  }
}
