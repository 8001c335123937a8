/**
 * How long runs will take: a few short requests tell the server's speed, from which the runs' times follow. It is
 * there to tell minutes from days, not to predict a figure.
 */
import type { BenchOptions } from "../options.ts";
import type { RequestRecord } from "../request.ts";
import { runBench, type BenchIo } from "../run.ts";
import { UserError } from "../../user-error.ts";
import type { ModelMemory } from "./plan.ts";

/** Seconds of work, when the server has nothing else to do. */
export interface Speed {
  /** For each token of a prompt. */
  readonly prefillS: number;
  /** A decode step of one request, which draws one token. */
  readonly stepS: number;
  /** More for each further request in the step. */
  readonly batchedS: number;
  /** More for each token before it that a prompt's token attends to, and one that is drawn. */
  readonly prefillContextS: number;
  readonly decodeContextS: number;
}

export interface Workload {
  readonly prompts: number;
  /** Tokens on average. */
  readonly input: number;
  readonly output: number;
  /** Infinity: all at once. */
  readonly perSecond: number;
}

/** Mean tokens of the ShareGPT requests that bench_serving's rules let through. */
const shareGpt = { input: 215, output: 198 };

export function workloadOf(options: BenchOptions): Workload {
  const { datasetName, randomInputLen, randomOutputLen, randomRangeRatio: ratio } = options;
  const mean = (length: number): number => (length * (1 + ratio)) / 2;
  const lengths =
    datasetName === "sharegpt"
      ? { input: shareGpt.input, output: options.sharegptOutputLen ?? shareGpt.output }
      : { input: mean(randomInputLen), output: mean(randomOutputLen) };
  return { prompts: options.numPrompts, ...lengths, perSecond: options.requestRate.perSecond };
}

/** Requests that a server decodes at once, unless told otherwise. */
const usualBatch = 128;

/** The warm-up, which is one request, and then the longer of the arrivals and the work. */
export function estimateS(workload: Workload, speed: Speed): number {
  const { prompts, perSecond } = workload;
  return workS(workload, 1, speed) + Math.max(prompts / perSecond, workS(workload, prompts, speed));
}

function workS({ input, output }: Workload, prompts: number, speed: Speed): number {
  const batch = Math.min(prompts, usualBatch);
  const prefillS = input * (speed.prefillS + (input / 2) * speed.prefillContextS);
  const requestS =
    (batch - 1) * speed.batchedS + batch * (input + output / 2) * speed.decodeContextS;
  return prompts * prefillS + (prompts / batch) * output * (speed.stepS + requestS);
}

/** What a processor core does, and what memory gives to all of them, where a CPU is not a special one. */
const coreFlops = 75e9;
const memoryBytesPerS = 10e9;

/** Before the probe, from the model's size alone: for our engine on a CPU of so many cores. */
export function guessSpeed(memory: ModelMemory, cores: number): Speed {
  const tokenS = (2 * memory.parameters) / (cores * coreFlops);
  return {
    prefillS: tokenS,
    stepS: memory.weightBytes / memoryBytesPerS,
    batchedS: tokenS,
    prefillContextS: 0,
    decodeContextS: memory.kvBytesPerToken / memoryBytesPerS,
  };
}

/** Of a server whose speed is not known: the arrivals take so long. */
export function leastS({ prompts, perSecond }: Workload): number {
  return prompts / perSecond;
}

/** Seconds that each part of the probe may take, if the first tokens tell the truth. */
const probeS = 3;

/** Output tokens after the first of each request of the probe. */
const steps = 16;

/** @throws UserError when the server does not answer as it should. */
export async function measureSpeed(options: BenchOptions, io: BenchIo): Promise<Speed> {
  const time = async (input: number) => timesOf(await sendIds(options, io, 2, input), input);
  const short = 64;
  const atShort = await time(short);
  const long = clamp(probeS / atShort.prefillS / 2, 2 * short, 2048);
  const atLong = await time(long);
  const more = long - short;
  const batch = clamp(probeS / atShort.prefillS / (2 * steps), 4, usualBatch);
  const batchS = timesOf(await sendIds(options, io, batch, steps), steps).stepS;
  return {
    prefillS: Math.min(atShort.prefillS, atLong.prefillS),
    prefillContextS: Math.max(0, (atLong.prefillS - atShort.prefillS) / (more / 2)),
    stepS: atShort.stepS,
    decodeContextS: Math.max(0, (atLong.stepS - atShort.stepS) / (2 * more)),
    batchedS: Math.max(0, (batchS - atShort.stepS) / (batch - 1)),
  };
}

/**
 * Seconds a prompt token and a decode step, by the request whose first token came last: before it all prompts
 * were read, but for one that a prefix cache may know from the warm-up; after it nothing but decoding was done.
 */
function timesOf(records: readonly RequestRecord[], input: number) {
  const last = records.reduce((a, b) => (a.ttftS > b.ttftS ? a : b));
  return {
    prefillS: last.ttftS / (records.length * input),
    stepS: (last.latencyS - last.ttftS) / steps,
  };
}

const clamp = (value: number, min: number, max: number): number =>
  Math.round(Math.min(Math.max(value, min), max));

/** Requests of token ids, sent at once. */
async function sendIds(
  options: BenchOptions,
  io: BenchIo,
  count: number,
  input: number,
): Promise<readonly RequestRecord[]> {
  const shown = { stdout: () => {}, live: null };
  const quiet = { ...io, ...shown, keepLine: async () => {}, keepRecords: true };
  const asked: Partial<BenchOptions> = {
    datasetName: "random-ids",
    requestRate: { perSecond: Infinity, integer: false },
    numPrompts: count,
    randomInputLen: input,
    randomOutputLen: steps + 1,
    randomRangeRatio: 1,
    seed: input, // other prompts each time, which no prefix cache knows
  };
  const { runs } = await runBench({ ...options, ...asked }, quiet);
  io.signal.throwIfAborted();
  const { records, load } = runs[0]!;
  const [failure] = Object.entries(load.failureExamples);
  if (!failure) return records;
  throw new UserError(`the server does not answer as it should: ${failure.join(" ")}`);
}
