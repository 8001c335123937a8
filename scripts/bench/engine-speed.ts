/**
 * The engine's speed without server and scheduler, in the terms of llama-bench and llama-batched-bench: a prompt from
 * position 0 in one step, then steps of one token for each of `batch` requests.
 *
 *   bun scripts/bench/engine-speed.ts MODEL [--threads N] [--repeat N] TEST...
 *
 * TEST is "prompt:TOKENS" or "decode:BATCH:PROMPT:STEPS" (the prompt is not timed). One line of JSON for each test:
 * {test, tokensPerS: one number a repetition}. The first, untimed repetition warms up.
 */
import { parseArgs } from "node:util";
import { resolveModel } from "../../src/hub/resolve.ts";
import { Model } from "../../src/model/index.ts";
import { Device, pageTokens, Program, StepResults, StepWriter } from "../../src/program/index.ts";

interface Test {
  readonly name: string;
  readonly batch: number;
  readonly prompt: number;
  /** 0: the prompt is what is timed. */
  readonly steps: number;
}

function parseTest(name: string): Test {
  const [kind, ...numbers] = name.split(":");
  const [first = 0, prompt = 0, steps = 0] = numbers.map(Number);
  if (kind === "prompt" && first > 0) return { name, batch: 1, prompt: first, steps: 0 };
  if (kind === "decode" && first > 0 && prompt > 0 && steps > 0) {
    return { name, batch: first, prompt, steps };
  }
  throw new Error(`${name}: expected prompt:TOKENS or decode:BATCH:PROMPT:STEPS`);
}

const greedy = { temperature: 0, topP: 1, topK: -1, minP: 0, seed: 0 };

class Runner {
  readonly #program: Program;
  readonly #writer: StepWriter;
  readonly #results: StepResults;
  readonly #vocabSize: number;

  constructor(program: Program, vocabSize: number) {
    this.#program = program;
    this.#writer = new StepWriter(program.limits);
    this.#results = new StepResults(program.limits);
    this.#vocabSize = vocabSize;
  }

  /** Tokens a second. */
  run({ batch, prompt, steps }: Test): number {
    const pageCount = Math.ceil((prompt + steps) / pageTokens);
    const pages = Array.from({ length: batch }, (_, request) =>
      Array.from({ length: pageCount }, (__, i) => request * pageCount + i),
    );
    const begun = performance.now();
    for (const own of pages) {
      this.#writer.reset();
      this.#writer.addRequest(0, own, Math.ceil(prompt / pageTokens));
      for (let i = 0; i < prompt; i++) this.#writer.addId((i * 7919 + 11) % this.#vocabSize);
      this.#writer.addDraw(greedy, prompt);
      this.#step();
    }
    if (steps === 0) return prompt / ((performance.now() - begun) / 1000);
    const decodeBegun = performance.now();
    const ids = pages.map((_, i) => (i * 31 + 5) % this.#vocabSize);
    for (let step = 0; step < steps; step++) {
      this.#writer.reset();
      const position = prompt + step;
      pages.forEach((own, i) => {
        this.#writer.addRequest(position, own, Math.floor(position / pageTokens) + 1);
        this.#writer.addId(ids[i]!);
        this.#writer.addDraw(greedy, position + 1);
      });
      this.#step();
      for (let i = 0; i < batch; i++) ids[i] = this.#results.token(i);
    }
    return (batch * steps) / ((performance.now() - decodeBegun) / 1000);
  }

  #step(): void {
    this.#program.wait(this.#program.run(this.#writer), this.#results);
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "0" },
    repeat: { type: "string", default: "3" },
  },
});
const [modelPath, ...names] = positionals;
if (modelPath === undefined || names.length === 0) throw new Error("expected MODEL TEST...");
const tests = names.map(parseTest);
const most = (count: (test: Test) => number) => Math.max(...tests.map(count));
const pages = most((t) => t.batch * Math.ceil((t.prompt + t.steps) / pageTokens));

const device = new Device("cpu", { threads: Number(values.threads) });
const model = new Model(device, await resolveModel(modelPath));
const builder = device.program({
  tokens: most((t) => Math.max(t.prompt, t.batch)),
  requests: most((t) => t.batch),
  rows: most((t) => t.batch),
  pages,
  tableEntries: pages,
});
builder.sample(model.define(builder));
const program = builder.compile();
const runner = new Runner(program, model.config.vocabSize);
for (const test of tests) {
  runner.run(test.steps > 8 ? { ...test, steps: 8 } : test);
  const tokensPerS = Array.from({ length: Number(values.repeat) }, () => runner.run(test));
  console.log(JSON.stringify({ test: test.name, tokensPerS }));
}
program.free();
device.close();
