/** The engine's loop over the null backend, in this thread, and the tokens that backend answers. */
import { EngineLoop } from "../../src/engine/loop.ts";
import { PagePool } from "../../src/engine/pages.ts";
import { PrefixCache } from "../../src/engine/prefix-cache.ts";
import { Scheduler, type SchedulerOptions } from "../../src/engine/scheduler.ts";
import { Model } from "../../src/model/index.ts";
import { Device } from "../../src/program/index.ts";

export const nullVocabSize = 1000;

/** A config.json of a model as small as can be. */
export const smallestConfig = {
  architectures: ["LlamaForCausalLM"],
  torch_dtype: "bfloat16",
  vocab_size: nullVocabSize,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  max_position_embeddings: 4096,
};

/** The longest prompt of a step that does not cut prompts; one that was retracted holds its output as well. */
const uncutTokensMax = 256;

export interface NullLimits extends Partial<SchedulerOptions> {
  readonly maxRunning: number;
  readonly prefillTokens: number;
  readonly maxRows: number;
  readonly pages: number;
  /** Default 16. */
  readonly pageTokens?: number;
  /** Default true. */
  readonly prefixCache?: boolean;
}

export interface NullEngine extends Disposable {
  readonly loop: EngineLoop;
  readonly scheduler: Scheduler;
}

export function nullEngine({
  pages,
  pageTokens = 16,
  prefixCache = true,
  ...limits
}: NullLimits): NullEngine {
  const device = new Device("null", {});
  const weights = { kind: "dummy" } as const;
  const model = new Model(device, { config: smallestConfig, weights });
  const builder = device.program({
    tokens: Math.max(limits.prefillTokens, uncutTokensMax) + limits.maxRunning,
    requests: limits.maxRunning,
    rows: limits.maxRows,
    pages: (pages * pageTokens) / 16,
    tableEntries: ((pages * pageTokens) / 16) * limits.maxRunning,
  });
  builder.sample(model.define(builder));
  const program = builder.compile();
  const options = { chunked: true, policy: "fcfs", conservativeness: 1, ...limits } as const;
  const pool = new PagePool(pages, pageTokens);
  const scheduler = new Scheduler(options, new PrefixCache(pool, prefixCache));
  return {
    loop: new EngineLoop(program, scheduler),
    scheduler,
    [Symbol.dispose]() {
      scheduler.checkIntegrity();
      program.free();
      device.close();
    },
  };
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The null backend's greedy continuation of a prompt: each token depends on all before it. */
export function nullTokens(prompt: ArrayLike<number>, count: number): number[] {
  let context = 0;
  const extend = (id: number) => (context = mix(Math.imul(context, 31) + id + 1));
  for (let i = 0; i < prompt.length; i++) extend(prompt[i]!);
  return Array.from({ length: count }, () => {
    const token = mix(context) % nullVocabSize;
    extend(token);
    return token;
  });
}
