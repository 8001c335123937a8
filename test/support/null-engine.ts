/** The engine's loop over the null backend, in this thread, and the tokens that backend answers. */
import { EngineLoop } from "../../src/engine/loop.ts";
import { PagePool } from "../../src/engine/pages.ts";
import { Scheduler } from "../../src/engine/scheduler.ts";
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

export interface NullLimits {
  readonly maxRunning: number;
  readonly chunkedPrefillSize: number;
  readonly maxRows: number;
  readonly pages: number;
}

export interface NullEngine extends Disposable {
  readonly loop: EngineLoop;
  readonly scheduler: Scheduler;
}

export function nullEngine({ pages, ...limits }: NullLimits): NullEngine {
  const device = new Device("null", {});
  const weights = { kind: "dummy" } as const;
  const model = new Model(device, { config: smallestConfig, weights });
  const builder = device.program({
    tokens: limits.chunkedPrefillSize + limits.maxRunning,
    requests: limits.maxRunning,
    rows: limits.maxRows,
    pages,
    tableEntries: pages,
  });
  builder.sample(model.define(builder));
  const program = builder.compile();
  const scheduler = new Scheduler(limits, new PagePool(pages));
  return {
    loop: new EngineLoop(program, scheduler),
    scheduler,
    [Symbol.dispose]() {
      program.free();
      device.close();
    },
  };
}

const bits64 = (1n << 64n) - 1n;

function mix(value: bigint): bigint {
  let z = value & bits64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & bits64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & bits64;
  return z ^ (z >> 31n);
}

/** The null backend's greedy continuation of a prompt: each token depends on the one before and its position. */
export function nullTokens(prompt: ArrayLike<number>, count: number): number[] {
  const tokens: number[] = [];
  let last = prompt[prompt.length - 1]!;
  for (let position = prompt.length - 1; tokens.length < count; position++) {
    const key = (BigInt(last) << 32n) | BigInt(position);
    last = Number(mix(mix(key + 0x9e3779b97f4a7c15n)) % BigInt(nullVocabSize));
    tokens.push(last);
  }
  return tokens;
}
