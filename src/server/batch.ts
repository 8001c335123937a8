/** All generations of one HTTP request: every prompt, `n` times. */
import { randomUUID } from "node:crypto";
import type { LogprobRequest } from "../engine/api.ts";
import type { ServerContext } from "./context.ts";
import { failed, RequestError } from "./errors.ts";
import { Generation } from "./generation.ts";
import { checkTokenIds, outputLength } from "./prompts.ts";
import { type Sampling, seedOf } from "./sampling.ts";

/** One prompt and how to continue it. */
export interface Job {
  readonly promptIds: Int32Array;
  readonly sampling: Sampling;
  readonly logprobs: LogprobRequest | null;
}

/**
 * Called when a generation has news (see `GenerationListener`). `index` counts the choices of the first prompt,
 * then those of the second.
 */
export type BatchListener = (generation: Generation, index: number, delta: string) => void;

export class Batch {
  readonly generations: readonly Generation[];
  private running = 0;

  /** Throws a RequestError, before anything is started, when a job cannot be done. */
  constructor(context: ServerContext, jobs: readonly Job[], listener: BatchListener) {
    const { engine, tokenizer, model } = context;
    const requests = jobs.map((job) => engineRequest(context, job));
    checkQueue(context);
    const generations: Generation[] = [];
    jobs.forEach(({ sampling }, j) => {
      const stopTokenIds = sampling.ignoreEos ? [] : [...model.eosIds, ...sampling.stopTokenIds];
      for (let choice = 0; choice < sampling.choiceCount; choice++) {
        const index = generations.length;
        const seeded = { ...sampling.params, seed: seedOf(sampling, choice) };
        const request = { ...requests[j]!, sampling: seeded, stopTokenIds };
        const news = (delta: string) => {
          const generation = generations[index]!;
          if (generation.finish !== null) this.running--;
          listener(generation, index, delta);
        };
        this.running++;
        generations.push(new Generation(engine, tokenizer.bytes, request, sampling, news));
      }
    });
    this.generations = generations;
  }

  get isFinished(): boolean {
    return this.running === 0;
  }

  readonly abort = (): void => {
    for (const generation of this.generations) generation.abort();
  };
}

function engineRequest(context: ServerContext, { promptIds, sampling, logprobs }: Job) {
  checkTokenIds(sampling.stopTokenIds, context.engine.limits.vocabSize, "stop_token_ids");
  const maxNewTokens = outputLength(context, promptIds.length, sampling.maxNewTokens);
  return { promptIds, maxNewTokens, logprobs };
}

function checkQueue({ engine, options, phase }: ServerContext): void {
  if (phase !== "ready") throw failed(503, `The server is ${phase}.`, { "retry-after": "1" });
  if (options.queueLimit !== null && engine.load().waiting >= options.queueLimit) {
    throw failed(503, "The request queue is full.", { "retry-after": "1" });
  }
}

/**
 * Runs all jobs to their end. Throws when one is aborted, and aborts all when `signal` says that the client
 * has gone.
 */
export async function runBatch(
  context: ServerContext,
  jobs: readonly Job[],
  signal: AbortSignal,
): Promise<readonly Generation[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const batch = new Batch(context, jobs, (generation) => {
    const fault = abortError(generation);
    if (fault) {
      batch.abort();
      reject(fault);
    } else if (batch.isFinished) resolve();
  });
  const leave = () => {
    batch.abort();
    reject(failed(499, "The client has gone."));
  };
  signal.addEventListener("abort", leave);
  if (signal.aborted) leave();
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", leave);
  }
  return batch.generations;
}

/** The error of a generation that the engine gave up; null for any other. */
export function abortError({ finish }: Generation): RequestError | null {
  if (finish?.type !== "abort") return null;
  return new RequestError(500, "InternalServerError", finish.message);
}

/** A request's id: 32 hexadecimal digits, without a prefix. */
export const newRequestId = (): string => randomUUID().replaceAll("-", "");

/** Token counts as the OpenAI endpoints report them; a prompt with several choices counts once. */
export function usageOf(generations: readonly Generation[], choiceCount: number) {
  let promptTokens = 0;
  let completionTokens = 0;
  generations.forEach((generation, i) => {
    if (i % choiceCount === 0) promptTokens += generation.promptIds.length;
    completionTokens += generation.outputIds.length;
  });
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: null,
    reasoning_tokens: 0,
  };
}
