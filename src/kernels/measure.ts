/** How long kernels take, and how fast the machine's memory is. */
import { readFileSync } from "node:fs";
import {
  Device,
  pageTokens,
  StepResults,
  StepWriter,
  type Isa,
  type Program,
  type ProgramLimits,
} from "../program/index.ts";
import { compile, type Append, type Kernel, type Load } from "./kernel.ts";

export interface Measured {
  readonly kernel: Kernel;
  /** Of one run: the best of several, less what a step costs without it. */
  readonly seconds: number;
  /** See `Kernel.check`. */
  readonly error: number;
}

/** Seconds that a kernel is tried for, and the fewest tries. */
const tryForS = 0.2;
const triesMin = 5;
/** Runs in one program. */
const timesMax = 128;
/** Pages that a step fills. */
const filledPages = 16;

export function measure(kernel: Kernel, load: Load, isa: Isa): Measured {
  using opened = new DisposableStack();
  const device = opened.adopt(new Device("cpu", { isa }), (d) => d.close());
  const error = kernel.check(device);
  const fitting = Math.ceil(coldBytes() / kernel.bytes);
  const times = kernel.once ? 1 : Math.min(timesMax, Math.max(1, fitting));
  const { hasCache = false } = kernel;
  const limits = limitsFor(load, hasCache);
  const append = kernel.prepare(device, limits.tokens, times);
  return { kernel, error, seconds: secondsOf(device, { append, limits, hasCache }, times, load) };
}

/**
 * Bytes a second that the backend's threads move where no cache helps: the faster of reading, as one row times a matrix
 * does, and of adding two arrays, where the processor reads what it will write, too: four streams in all.
 */
export function memoryBandwidth(isa: Isa): number {
  using opened = new DisposableStack();
  const device = opened.adopt(new Device("cpu", { isa }), (d) => d.close());
  const width = 4096;
  const bytes = coldBytes() / 2;
  const shape = { dtype: "f32", rows: bytes / 4 / width, cols: width } as const;
  const [array, matrix] = [device.random(1, shape, 1), device.random(2, shape, 1)];
  const rateOf = (batch: number, append: Append, streams: number): number => {
    const load = { batch, context: 1 };
    const repeated = { append, limits: limitsFor(load, false), hasCache: false };
    return (streams * bytes) / secondsOf(device, repeated, 2, load);
  };
  const add: Append = (builder, count) => {
    const [a, b] = [builder.load(array), builder.load(array)];
    for (let i = 0; i < count; i++) builder.add(a, b);
  };
  const read: Append = (builder, count) => {
    const x = builder.load(array);
    for (let i = 0; i < count; i++) builder.linear(x, matrix);
  };
  // The second read is of what the first has driven out of the caches.
  return Math.max(rateOf(shape.rows, add, 4), rateOf(1, read, 1));
}

function limitsFor({ batch, context }: Load, hasCache: boolean): ProgramLimits {
  const pages = batch * Math.ceil(context / pageTokens);
  const filled = hasCache ? filledPages : 1;
  return {
    tokens: Math.max(batch, filled * pageTokens),
    requests: Math.max(batch, filled),
    rows: batch,
    pages,
    tableEntries: Math.max(pages, filled),
  };
}

interface Repeated {
  readonly append: Append;
  readonly limits: ProgramLimits;
  readonly hasCache: boolean;
}

/** Seconds of one of so many runs. */
function secondsOf(
  device: Device,
  { append, limits, hasCache }: Repeated,
  times: number,
  load: Load,
): number {
  using opened = new DisposableStack();
  const program = (count: number) => {
    const compiled = compile(device, limits, (builder) => append(builder, count));
    return new Steps(
      opened.adopt(compiled, (p) => p.free()),
      load,
    );
  };
  const [all, none] = [program(times), program(0)];
  if (hasCache) all.fillCaches();
  let [best, rest] = [Infinity, Infinity];
  const end = performance.now() + tryForS * 1000;
  for (let tries = 0; tries < triesMin || performance.now() < end; tries++) {
    best = Math.min(best, all.seconds());
    rest = Math.min(rest, none.seconds());
  }
  return Math.max(best - rest, 0) / times;
}

/** Steps of one program. */
class Steps {
  readonly #program: Program;
  readonly #load: Load;
  readonly #step: StepWriter;
  readonly #results: StepResults;

  constructor(program: Program, load: Load) {
    this.#program = program;
    this.#load = load;
    this.#step = new StepWriter(program.limits);
    this.#results = new StepResults(program.limits);
  }

  /** Memory that nobody has written is no memory yet. Page by page, as the first of a request: long ones would take their time. */
  fillCaches(): void {
    const { pages } = this.#program.limits;
    for (let from = 0; from < pages; from += filledPages) {
      this.#step.reset();
      for (let page = from; page < Math.min(pages, from + filledPages); page++) {
        this.#step.addRequest(0, [page], 1);
        for (let i = 0; i < pageTokens; i++) this.#step.addId(0);
      }
      this.#run();
    }
  }

  /** Of one step, from its start to its end. */
  seconds(): number {
    const { batch, context } = this.#load;
    const pages = Math.ceil(context / pageTokens);
    this.#step.reset();
    for (let request = 0; request < batch; request++) {
      const own = Array.from({ length: pages }, (_, i) => request * pages + i);
      this.#step.addRequest(context - 1, own, pages);
      this.#step.addId(request);
      this.#step.addDraw({ temperature: 1, topP: 1, topK: -1, minP: 0, seed: request }, context);
    }
    return this.#run();
  }

  #run(): number {
    const startMs = performance.now();
    this.#program.wait(this.#program.run(this.#step), this.#results);
    return (performance.now() - startMs) / 1000;
  }
}

/** What no cache of the processor holds: twice its last level, or 256 MiB where that is less or unknown. */
function coldBytes(): number {
  const least = 256 << 20;
  try {
    const text = readFileSync("/sys/devices/system/cpu/cpu0/cache/index3/size", "utf8");
    const kib = Number(/^(\d+)K/.exec(text)?.[1] ?? 0);
    return Math.max(least, 2 * kib * 1024);
  } catch {
    return least;
  }
}
