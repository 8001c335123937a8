/** What a user chooses about the engine, and what follows from it for memory. */
import { pageTokens, type BackendName, type ProgramLimits } from "../program/index.ts";
import type { ModelOptions } from "../model/index.ts";
import type { SchedulePolicy, SchedulerOptions } from "./scheduler.ts";

export interface EngineOptions extends Pick<ModelOptions, "dtype" | "drawableIds"> {
  readonly device: BackendName;
  /** CPU threads; default: one for each available core. */
  readonly threads?: number;
  /** Most tokens of prompt and output together; default and most: what the model was made for. */
  readonly contextLength?: number;
  /** Tokens of the KV pool; default: see `kvPoolTokens`. */
  readonly maxTotalTokens?: number;
  /** Share of the free memory that weights and KV pool may take together; default 0.88. */
  readonly memFractionStatic?: number;
  /** Most requests that run at the same time; default 128. */
  readonly maxRunning?: number;
  /** Most prompt tokens of a step; default 512. Longer prompts take several steps, between other requests' tokens; with Infinity none does. */
  readonly chunkedPrefillSize?: number;
  /** Most prompt tokens of a step in all, but for a longer prompt that must not be cut; default 16384. */
  readonly maxPrefillTokens?: number;
  /** Tokens of a page of the KV pool, which is what requests share; a multiple of the device's 16, the default. */
  readonly pageSize?: number;
  /** Keep computed prefixes for later requests; default true. */
  readonly prefixCache?: boolean;
  /** Default "fcfs". */
  readonly schedulePolicy?: SchedulePolicy;
  /** More than 1 admits fewer requests at once and retracts fewer; default 1. */
  readonly scheduleConservativeness?: number;
  /** null device: time of a step is stepUs + its tokens * tokenUs. */
  readonly stepUs?: number;
  readonly tokenUs?: number;
}

/** What the options need to know about the loaded model and the machine. */
export interface ModelSize {
  readonly contextLength: number;
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  /** Memory that was free before the weights were loaded. */
  readonly freeBytes: number;
}

export interface ResolvedOptions {
  readonly contextLength: number;
  readonly pool: { readonly pages: number; readonly pageTokens: number };
  readonly scheduler: SchedulerOptions;
  readonly program: ProgramLimits;
}

export const defaults = {
  memFractionStatic: 0.88,
  maxRunning: 128,
  chunkedPrefillSize: 512,
  maxPrefillTokens: 16384,
} as const;

/** A pool that nobody asked for stays below this on a CPU, unless a single request needs more. */
const cpuPoolBytes = 2 * 2 ** 30;

/** Fills in the defaults. @throws RangeError with a sentence for a value that cannot be. */
export function resolveOptions(options: EngineOptions, model: ModelSize): ResolvedOptions {
  const contextLength = integer("contextLength", options.contextLength ?? model.contextLength);
  if (contextLength > model.contextLength) {
    throw new RangeError(
      `The context length ${contextLength} is more than the model was made for (${model.contextLength})`,
    );
  }
  const maxRunning = integer("maxRunning", options.maxRunning ?? defaults.maxRunning);
  const { prefillTokens, chunked } = resolvePrefill(options, contextLength);
  const pageSize = integer("pageSize", options.pageSize ?? pageTokens);
  if (pageSize % pageTokens !== 0) {
    throw new RangeError(
      `The page size is ${pageSize}; expected a multiple of ${pageTokens}, the tokens of a page on the device`,
    );
  }
  const contextPages = Math.ceil(contextLength / pageSize);
  const poolTokens =
    options.maxTotalTokens === undefined
      ? kvPoolTokens(options, model, contextPages * pageSize, maxRunning)
      : integer("maxTotalTokens", options.maxTotalTokens);
  // At least as many as can draw a token; more lets prompt logprobs come in few steps.
  const rows = Math.max(maxRunning, 64);
  const pages = Math.max(Math.floor(poolTokens / pageSize), 1);
  const devicePages = pageSize / pageTokens;
  return {
    contextLength,
    pool: { pages, pageTokens: pageSize },
    scheduler: {
      maxRunning,
      prefillTokens,
      chunked,
      maxRows: rows,
      policy: options.schedulePolicy ?? "fcfs",
      conservativeness: options.scheduleConservativeness ?? 1,
    },
    program: {
      tokens: (chunked ? prefillTokens : Math.max(prefillTokens, contextLength)) + maxRunning,
      requests: maxRunning,
      rows,
      pages: pages * devicePages,
      tableEntries: maxRunning * Math.min(pages, contextPages) * devicePages, // requests share pages
    },
  };
}

/** Prompt tokens of a step, and whether prompts are cut to that. More than a context of them is not worth the memory. */
function resolvePrefill(options: EngineOptions, contextLength: number) {
  const { chunkedPrefillSize = defaults.chunkedPrefillSize } = options;
  const { maxPrefillTokens = Math.min(defaults.maxPrefillTokens, contextLength) } = options;
  const chunked = chunkedPrefillSize !== Infinity;
  const most = integer("maxPrefillTokens", maxPrefillTokens);
  if (!chunked) return { prefillTokens: most, chunked };
  const chunk = integer("chunkedPrefillSize", Math.min(chunkedPrefillSize, contextLength));
  return { prefillTokens: Math.min(chunk, most), chunked };
}

/**
 * Tokens of the KV pool when the user gives no number: what memFractionStatic of the free memory leaves beside
 * the weights (SGLang's rule), but no more than maxRunning requests of full length can use, and on a CPU, whose
 * memory belongs to others too, no more than 2 GiB or one request of full length.
 */
function kvPoolTokens(
  options: EngineOptions,
  { freeBytes, weightBytes, kvBytesPerToken }: ModelSize,
  oneContext: number,
  maxRunning: number,
): number {
  const fraction = options.memFractionStatic ?? defaults.memFractionStatic;
  if (!(fraction > 0 && fraction <= 1)) {
    throw new RangeError(`memFractionStatic is ${fraction}; expected a number in (0, 1]`);
  }
  const budget = freeBytes * fraction - weightBytes;
  if (budget < pageTokens * kvBytesPerToken) {
    throw new RangeError(
      `No memory is left for the KV cache: ${fraction} of the free ${gib(freeBytes)} (memFractionStatic) ` +
        `is not more than the weights' ${gib(weightBytes)}`,
    );
  }
  const cap = Math.max(cpuPoolBytes / kvBytesPerToken, oneContext);
  return Math.min(budget / kvBytesPerToken, maxRunning * oneContext, cap);
}

function integer(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value < 2 ** 31) return value;
  throw new RangeError(`${name} is ${value}; expected a positive integer`);
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
