/** Brings a model onto a device, sizes the KV pool, and makes one step run. */
import { Model, type ModelSource } from "../model/index.ts";
import { Device, type Program, type ProgramLimits } from "../program/index.ts";
import type { EngineLimits, EngineMemory } from "./api.ts";
import { EngineLoop } from "./loop.ts";
import { resolveOptions, type EngineOptions } from "./options.ts";
import { PagePool } from "./pages.ts";
import { PrefixCache } from "./prefix-cache.ts";
import { Scheduler } from "./scheduler.ts";

export interface LoadedEngine {
  readonly loop: EngineLoop;
  readonly limits: EngineLimits;
  readonly memory: EngineMemory;
  /** For people: backend, instruction set, threads. */
  readonly device: string;
  /**
   * Frees program and device. The loop must be idle.
   * @throws Error if requests have left pages behind, or else the pool is not whole: a fault of the engine.
   */
  close(): void;
}

/**
 * @param libraryPath The device's native library, as the main thread's runtime gave it.
 * @throws Error with a sentence if options, model or memory do not allow it.
 */
export function loadEngine(
  source: ModelSource,
  options: EngineOptions,
  libraryPath: string,
): LoadedEngine {
  const { device: backend, threads = 0, stepUs = 0, tokenUs = 0 } = options;
  const freeBytes = backend === "null" ? Infinity : process.availableMemory();
  using opened = new DisposableStack(); // frees what there is if a later line throws
  const settings = backend === "cpu" ? { threads } : { stepUs, tokenUs };
  const device = opened.adopt(new Device(backend, settings, libraryPath), (d) => d.close());
  const model = new Model(device, source, { ...options, memoryBytes: freeBytes });
  const { contextLength, vocabSize } = model.config;
  const resolved = resolveOptions(options, {
    contextLength,
    weightBytes: model.weightBytes,
    kvBytesPerToken: model.kvBytesPerToken,
    freeBytes,
  });
  const program = opened.adopt(compile(device, model, resolved.program), (p) => p.free());
  const pool = new PagePool(resolved.pool.pages, resolved.pool.pageTokens);
  const cache = new PrefixCache(pool, options.prefixCache ?? true);
  const loop = new EngineLoop(program, new Scheduler(resolved.scheduler, cache));
  warm(loop);
  const owned = opened.move();
  return {
    loop,
    limits: {
      contextLength: resolved.contextLength,
      maxTotalTokens: pool.size * pool.pageTokens,
      maxRunning: resolved.scheduler.maxRunning,
      pageTokens: pool.pageTokens,
      vocabSize,
    },
    memory: {
      weightBytes: model.weightBytes,
      kvCacheBytes: pool.size * pool.pageTokens * model.kvBytesPerToken,
    },
    device: describe(device),
    close() {
      using _freed = owned;
      loop.checkIntegrity();
    },
  };
}

function compile(device: Device, model: Model, limits: ProgramLimits): Program {
  const builder = device.program(limits);
  try {
    builder.sample(model.define(builder));
    return builder.compile();
  } catch (error) {
    builder.discard();
    throw error;
  }
}

/** Two real steps, a prefill and a decode: what does not work fails here and not under the first request. */
function warm(loop: EngineLoop): void {
  loop.submit(0, {
    promptIds: Int32Array.of(0),
    maxNewTokens: 2,
    sampling: { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 },
    stopTokenIds: [],
    logprobs: null,
  });
  while (!loop.idle) loop.turn();
  const failure = loop.takeEvents()?.messages[0];
  if (failure !== undefined) throw new Error(failure);
}

function describe(device: Device): string {
  const { backend, isa, threads } = device.describe();
  if (backend === "null") return "null";
  return `${backend} ${isa}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}
