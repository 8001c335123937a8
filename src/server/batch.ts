/** All generations of one HTTP request: every prompt, `n` times. */
import { randomUUID } from "node:crypto";
import type { LogprobRequest } from "../engine/api.ts";
import type { ServerContext } from "./context.ts";
import { clientGone, failed, type RequestError } from "./errors.ts";
import { Generation } from "./generation.ts";
import type { Log } from "./log.ts";
import { checkBiasIds, checkChoiceCount, checkTokenIds, outputLength } from "./prompts.ts";
import type { HeldIds } from "./running.ts";
import { adjustmentsOf, type Sampling, seedOf } from "./sampling.ts";
import type { LossReason } from "./sse.ts";

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
  private readonly ids: HeldIds;
  private running: number;
  private readonly log: Log;

  /**
   * Starts everything, and releases `ids` when all has ended. Throws a RequestError, before anything is started,
   * when a job cannot be done or the client has gone meanwhile.
   */
  constructor(
    context: ServerContext,
    jobs: readonly Job[],
    ids: HeldIds,
    signal: AbortSignal,
    listener: BatchListener,
    isStreaming = true,
  ) {
    this.log = context.log;
    const requests = jobs.flatMap((job) => choicesOf(context, job));
    checkChoiceCount(requests.length);
    checkQueue(context);
    if (signal.aborted) throw clientGone();
    const generations: Generation[] = [];
    this.generations = generations;
    this.ids = ids;
    this.running = requests.length;
    try {
      requests.forEach(({ sampling, request }, index) => {
        const news = (delta: string) => {
          const generation = generations[index]!;
          if (generation.finish !== null && --this.running === 0) ids.release();
          listener(generation, index, delta);
        };
        const about = { id: ids.idOf(index), isStreaming };
        const generation = new Generation(context, request, sampling, about, news);
        generations.push(generation);
        ids.name(generation, index);
      });
    } catch (error) {
      this.abort(); // the engine ended meanwhile
      throw error;
    }
  }

  get isFinished(): boolean {
    return this.running === 0;
  }

  /** @param reason Why nobody wants it any more; none if one of its own generations failed. */
  readonly abort = (reason?: LossReason): void => {
    const open = this.generations.filter(({ finish }) => finish === null);
    for (const generation of open) generation.abort();
    this.ids.release();
    if (reason === undefined || open.length === 0) return;
    const tokens = open.reduce((sum, { outputIds }) => sum + outputIds.length, 0);
    const what = `aborted ${open.length} of ${this.generations.length} generations after ${tokens} tokens`;
    if (reason === "gone") this.log("info", `the client has gone: ${what}`);
    else this.log("warning", `the client reads too slowly and was dropped: ${what}`);
  };
}

/** One engine request for each choice; they differ in their seeds. */
function choicesOf(context: ServerContext, { promptIds, sampling, logprobs }: Job) {
  const { vocabSize } = context.engine.limits;
  checkTokenIds(sampling.stopTokenIds, vocabSize, "stop_token_ids");
  checkBiasIds(sampling.logitBias, vocabSize);
  const maxNewTokens = outputLength(context, promptIds.length, sampling.maxNewTokens);
  const endIds = [...context.model.eosIds, ...sampling.stopTokenIds];
  const stopTokenIds = sampling.ignoreEos ? [] : endIds;
  // A tokenizer may name an end that the model lacks.
  const blocked = endIds.filter((id) => id < vocabSize);
  const adjustments = adjustmentsOf(sampling, maxNewTokens, blocked);
  return Array.from({ length: sampling.choiceCount }, (_, choice) => {
    const seed = seedOf(sampling, choice, context.drawSeed);
    const seeded = { ...sampling.params, seed };
    return {
      sampling,
      request: {
        promptIds,
        maxNewTokens,
        logprobs,
        stopTokenIds,
        sampling: seeded,
        ...(adjustments && { adjustments }),
      },
    };
  });
}

function checkQueue({ engine, options, phase, log }: ServerContext): void {
  const isFull = options.queueLimit !== null && engine.load().waiting >= options.queueLimit;
  if (phase === "ready" && !isFull) return;
  const reason = phase === "ready" ? "The request queue is full." : `The server is ${phase}.`;
  log("warning", `turned a request away: ${reason}`);
  throw failed(503, reason, { "retry-after": "1" });
}

/**
 * Runs all jobs to their end. Throws when one is aborted, and aborts all when `signal` says that the client
 * has gone.
 */
export async function runBatch(
  context: ServerContext,
  jobs: readonly Job[],
  ids: HeldIds,
  signal: AbortSignal,
): Promise<readonly Generation[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const news: BatchListener = (generation) => {
    const fault = abortError(generation);
    if (fault) {
      batch.abort();
      reject(fault);
    } else if (batch.isFinished) resolve();
  };
  const batch = new Batch(context, jobs, ids, signal, news, false);
  const leave = () => {
    batch.abort("gone");
    reject(clientGone());
  };
  signal.addEventListener("abort", leave);
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", leave);
  }
  return batch.generations;
}

/** The error of a generation that the engine gave up; null for any other, also for one that was asked to end. */
export function abortError({ finish }: Generation): RequestError | null {
  if (finish?.type !== "abort" || finish.status_code === null) return null;
  return failed(finish.status_code, finish.message);
}

/** A request's id: 32 hexadecimal digits, without a prefix. */
export const newRequestId = (): string => randomUUID().replaceAll("-", "");

/** Token counts as the OpenAI endpoints report them; a prompt with several choices counts once. */
export function usageOf(
  { options }: ServerContext,
  generations: readonly Generation[],
  choiceCount: number,
) {
  let promptTokens = 0;
  let cachedTokens = 0;
  let completionTokens = 0;
  generations.forEach((generation, i) => {
    if (i % choiceCount === 0) {
      promptTokens += generation.promptIds.length;
      cachedTokens += generation.cachedTokens;
    }
    completionTokens += generation.outputIds.length;
  });
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details:
      options.cacheReport && cachedTokens > 0 ? { cached_tokens: cachedTokens } : null,
    reasoning_tokens: 0,
  };
}
