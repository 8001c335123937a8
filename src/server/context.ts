/** What the HTTP server is made of: an engine, a tokenizer, a model's description and a few limits. */
import type { Engine } from "../engine/api.ts";
import type { EngineWatch } from "./engine-watch.ts";
import type { Log } from "./log.ts";
import type { RequestMetrics } from "./metrics/requests.ts";
import type { ChatMessage, EncodeOptions, TokenBytes } from "../tokenizer/tokenizer.ts";
import type { RunningRequests } from "./running.ts";

/** A tokenizer whose work does not hold up the thread that serves (in a program: the tokenizer worker). */
export interface ServerTokenizer {
  readonly bytes: TokenBytes;
  readonly hasChatTemplate: boolean;
  /** Resolves with the reason when it answers no more. */
  readonly ended: Promise<string>;
  /** Ids of each text. Long lists and long texts of one call do not keep others waiting. */
  encodeAll(texts: readonly string[], options?: EncodeOptions): Promise<Int32Array[]>;
  /** Rejects with an Error that carries the template's own message when it refuses. */
  applyChatTemplate(
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
  ): Promise<string>;
}

/** Values of generation_config.json, which chat requests take where they name none. */
export interface DefaultSampling {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

export interface ServedModel {
  /** Where the model came from, as the user gave it. */
  readonly path: string;
  readonly tokenizerPath: string;
  /** The name that /v1/models lists. Requests may name any model. */
  readonly servedName: string;
  /** Unix time in seconds at which it was loaded. */
  readonly created: number;
  readonly loadFormat: string;
  /** `model_type` and `architectures` of config.json. */
  readonly modelType: string;
  readonly architectures: readonly string[];
  /** Ids that end a generation: those of the tokenizer, config.json and generation_config.json together. */
  readonly eosIds: readonly number[];
  /** End the answers of chat, beside those of a request. */
  readonly chatStopStrings: readonly string[];
  readonly defaultSampling: DefaultSampling;
}

export interface ServerOptions {
  /** Asked for on every path but /health and /metrics; null lets everyone in. */
  readonly apiKey: string | null;
  readonly maxBodyBytes: number;
  /** Requests that may wait in the engine before new ones are turned away with 503; null for no limit. */
  readonly queueLimit: number | null;
  /** Log a line for each request that ends. */
  readonly logRequests: boolean;
  /** A stream's first token is an event, and every so many tokens the next, where a request names no number. */
  readonly streamInterval: number;
  /** Whether `usage` of the OpenAI endpoints says how many prompt tokens came from the cache. */
  readonly cacheReport: boolean;
  /** A body that brings no byte for so long is given up; a small one has so long in all. */
  readonly bodyStallMs: number;
  /** Answers no text: only /generate works, from ids to ids. */
  readonly skipTokenizer: boolean;
}

/** The model answers while "ready"; otherwise /health and all generation say 503. */
export type ServerPhase = "starting" | "ready" | "stopping";

export interface ServerContext {
  readonly engine: Engine;
  readonly tokenizer: ServerTokenizer;
  readonly model: ServedModel;
  readonly options: ServerOptions;
  /** Flags of the command by SGLang's names; never the key itself. */
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly watch: EngineWatch;
  readonly requests: RequestMetrics;
  /** Time until `phase` was "ready"; null before. */
  startupSeconds: number | null;
  phase: ServerPhase;
  readonly running: RunningRequests;
  /** Aborted when the server begins to close: requests that have not arrived whole are not waited for. */
  readonly closing: AbortController;
  /** Makes seeds for requests that name none; see `seedSource`. */
  readonly drawSeed: () => number;
  readonly log: Log;
}
