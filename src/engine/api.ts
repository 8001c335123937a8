/**
 * What the engine offers. It knows no HTTP, no text and no flags: token ids in, token ids out.
 * Text (stop strings, detokenizing) is the server's.
 */

/** How the next token is drawn. Values are validated by whoever builds them; the engine asserts the ranges. */
export interface SamplingParams {
  /** >= 0; below 1e-6 the most likely token is taken. */
  readonly temperature: number;
  /** in (0, 1]; the smallest set of most likely tokens whose probabilities reach it. */
  readonly topP: number;
  /** >= 1, or -1 for no limit. */
  readonly topK: number;
  /** in [0, 1]; keeps tokens with at least this share of the top probability. */
  readonly minP: number;
  /** Seeds this request's own Philox stream, keyed by (seed, position); 0 <= seed < 2^53. */
  readonly seed: number;
}

/** What is done to the logits of every draw before the softmax. The prompt's tokens are never counted. */
export interface LogitAdjustments {
  /** Finite, 0 for none: subtracted from a token's logit as often as it was generated so far. */
  readonly frequencyPenalty: number;
  /** Finite, 0 for none: subtracted once from the logit of every token that was generated so far. */
  readonly presencePenalty: number;
  /** Above 0, 1 for none: then divides the logit of such a token if that is positive, else multiplies it. */
  readonly repetitionPenalty: number;
  /** Added last; finite as fp32, at most one for each token. */
  readonly logitBias: readonly (readonly [token: number, bias: number])[];
  /** The first `minNewTokens` tokens are none of `blockedTokenIds`. */
  readonly minNewTokens: number;
  readonly blockedTokenIds: readonly number[];
}

export interface LogprobRequest {
  /** First prompt position whose token's logprob is wanted (position 0 has none: null); -1 for none of the prompt. */
  readonly promptStart: number;
  /** Number of most likely alternatives to report with each token, 0 to 20. */
  readonly topCount: number;
  /** Ids whose logprobs are wanted at every position too, at most 128; absent or empty for none. */
  readonly askedIds?: readonly number[];
}

export interface GenerateRequest {
  /** At least one id. `promptIds.length + maxNewTokens <= contextLength` and fits the KV pool: see `Engine.limits`. */
  readonly promptIds: Int32Array;
  /** >= 0; 0 only computes the prompt (and its logprobs). */
  readonly maxNewTokens: number;
  readonly sampling: SamplingParams;
  /** Absent: the logits are taken as they are. */
  readonly adjustments?: LogitAdjustments;
  /** A token of this list ends the request with reason "stop"; it is delivered as the last token. */
  readonly stopTokenIds: readonly number[];
  readonly logprobs: LogprobRequest | null;
}

export interface RatedToken {
  readonly token: number;
  readonly logprob: number;
}

export interface TokenLogprob {
  readonly token: number;
  /** Natural logarithm; null for the first token of a prompt. */
  readonly logprob: number | null;
  /** Most likely first. */
  readonly top: readonly RatedToken[];
  /** Those of `askedIds`, in that order; absent where none were asked for. */
  readonly asked?: readonly RatedToken[];
}

export type FinishReason =
  | { readonly type: "stop"; readonly tokenId: number }
  | { readonly type: "length" }
  | { readonly type: "abort"; readonly message: string };

/** Where the events of one request go; called on the engine's host thread, in order. */
export interface GenerateSink {
  /**
   * The request has begun to run; the prefix cache spared `cachedTokens` of its tokens. Called again each time it
   * begins anew because the KV pool had run out and it had to give its pages back.
   */
  onAdmitted(cachedTokens: number): void;
  /** Logprobs of the prompt from `promptStart` on, once, before the first token, if they were asked for. */
  onPromptLogprobs(logprobs: readonly TokenLogprob[]): void;
  /** The next token; `logprob` if logprobs were asked for. */
  onToken(token: number, logprob: TokenLogprob | null): void;
  /** The last call. */
  onFinish(reason: FinishReason): void;
}

export interface EngineLimits {
  /** Most tokens of prompt and output together that one request may hold. */
  readonly contextLength: number;
  /** Tokens the KV pool holds; a request larger than it can never run. */
  readonly maxTotalTokens: number;
  /** Tokens of a KV page; the pool has a whole number of pages. */
  readonly pageTokens: number;
  /** Most requests that run at the same time. */
  readonly maxRunning: number;
  readonly vocabSize: number;
}

/** What the engine keeps in memory as long as it lives; on the null device, what another would keep. */
export interface EngineMemory {
  readonly weightBytes: number;
  readonly kvCacheBytes: number;
}

/** What the engine is doing and has done. */
export interface EngineLoad {
  readonly running: number;
  readonly waiting: number;
  /** Tokens of the KV pool that running requests hold. */
  readonly usedTokens: number;
  /** Tokens of the KV pool that only the prefix cache holds. */
  readonly evictableTokens: number;
  /** Share of the output they may still generate that running requests are charged at admission. */
  readonly newTokenRatio: number;
  readonly totals: EngineTotals;
}

/** Since the start; each only grows. */
export interface EngineTotals {
  readonly steps: number;
  /** Time that the device waited for the host between steps while there was work, in microseconds. */
  readonly idleUs: number;
  /** Prompt tokens computed, those of retracted requests again. */
  readonly prefillTokens: number;
  /** Prompt tokens that the prefix cache spared. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  /** Times that a request began to run; retracted ones begin again. */
  readonly admissions: number;
  readonly retractions: number;
  /** Tokens that the prefix cache gave up to make room. */
  readonly evictedTokens: number;
}

/** Told on the engine's host thread after each step; `replica` counts from 0. */
export type LoadListener = (load: EngineLoad, replica: number) => void;

export interface Engine {
  readonly limits: EngineLimits;
  readonly memory: EngineMemory;
  /** Resolves with the reason, a sentence, when the engine has ended; what still ran has been aborted by then. */
  readonly ended: Promise<string>;
  /** Backend, instruction set and threads in words, e.g. "cpu avx512-bf16, 2 threads". */
  readonly device: string;
  /** Queues a request and returns its number, for `abort`. */
  submit(request: GenerateRequest, sink: GenerateSink): number;
  /** Ends a request early with reason "abort"; unknown or ended numbers are ignored. */
  abort(id: number): void;
  /** Of all replicas together. */
  load(): EngineLoad;
  /** Of each replica; limits and memory are those of one. */
  loads(): readonly EngineLoad[];
  /** Calls the listener after each step, when the step's tokens have been delivered. */
  observe(listener: LoadListener): void;
  /** Empties the prefix cache; false, and nothing done, while requests are running or waiting. */
  flushCache(): Promise<boolean>;
  /** Aborts what runs and ends the engine's thread. Rejects if the engine's last look at itself finds a fault. */
  close(): Promise<void>;
}
