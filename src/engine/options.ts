/** What a user chooses about the engine, and what follows from it for memory. */
import type { BackendName, ProgramLimits } from "../program/index.ts";
import type { ModelOptions } from "../model/index.ts";
import { pageTokens, pagesFor } from "./pages.ts";
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
  readonly scheduler: SchedulerOptions;
  readonly program: ProgramLimits;
}

export const defaults = {
  memFractionStatic: 0.88,
  maxRunning: 128,
  chunkedPrefillSize: 512,
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
  const chunkedPrefillSize = integer(
    "chunkedPrefillSize",
    Math.min(options.chunkedPrefillSize ?? defaults.chunkedPrefillSize, contextLength),
  );
  const poolTokens =
    options.maxTotalTokens === undefined
      ? kvPoolTokens(options, model, contextLength, maxRunning)
      : integer("maxTotalTokens", options.maxTotalTokens);
  // At least as many as can draw a token; more lets prompt logprobs come in few steps.
  const rows = Math.max(maxRunning, 64);
  const pages = Math.max(Math.floor(poolTokens / pageTokens), 1);
  return {
    contextLength,
    scheduler: {
      maxRunning,
      chunkedPrefillSize,
      maxRows: rows,
      policy: options.schedulePolicy ?? "fcfs",
      conservativeness: options.scheduleConservativeness ?? 1,
    },
    program: {
      tokens: chunkedPrefillSize + maxRunning,
      requests: maxRunning,
      rows,
      pages,
      tableEntries: maxRunning * Math.min(pages, pagesFor(contextLength)), // requests share pages
    },
  };
}

/**
 * Tokens of the KV pool when the user gives no number: what memFractionStatic of the free memory leaves beside
 * the weights (SGLang's rule), but no more than maxRunning requests of full length can use, and on a CPU, whose
 * memory belongs to others too, no more than 2 GiB or one request of full length.
 */
function kvPoolTokens(
  options: EngineOptions,
  { freeBytes, weightBytes, kvBytesPerToken }: ModelSize,
  contextLength: number,
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
  const oneContext = pagesFor(contextLength) * pageTokens;
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
