/** Runs a model over whole sequences and gives the log-probabilities of the whole vocabulary at every position. */
import { Model, type DtypeOption, type ModelSource } from "../../src/model/index.ts";
import {
  Device,
  StepResults,
  StepWriter,
  type DeviceOptions,
  type ProgramBuilder,
} from "../../src/program/index.ts";

export interface RunOptions {
  readonly dtype?: DtypeOption;
  readonly device?: DeviceOptions;
  /** Most tokens of a request in one step; default: all. */
  readonly chunk?: number;
  /** Alters the operations of the program (mutation tests). */
  readonly mutate?: (builder: ProgramBuilder) => ProgramBuilder;
  /** Alters a request's page table before the given step. */
  readonly changePages?: (pages: Int32Array, step: number, request: number) => Int32Array;
}

const pageTokens = 16;

/** -> for each sequence float32 [length, vocabSize]. The sequences advance side by side. */
export function logProbs(
  source: ModelSource,
  sequences: readonly (readonly number[])[],
  options: RunOptions = {},
): Float32Array[] {
  const device = new Device("cpu", { threads: 2, poison: true, ...options.device });
  const model = new Model(device, source, { dtype: options.dtype ?? "auto" });
  const tables = scatteredTables(sequences.map((ids) => ids.length));
  const tokens = sequences.reduce((sum, ids) => sum + ids.length, 0);
  const pages = tables.reduce((sum, table) => sum + table.length, 0) + 1;
  const limits = {
    tokens,
    requests: sequences.length,
    rows: tokens,
    pages,
    tableEntries: pages,
  };
  const builder = device.program(limits);
  const logits = model.define(options.mutate?.(builder) ?? builder);
  builder.keep(logits);
  const program = builder.compile();
  const step = new StepWriter(limits);
  const results = new StepResults(limits);
  const vocabSize = model.config.vocabSize;
  const out = sequences.map((ids) => new Float32Array(ids.length * vocabSize));
  const read = new Float32Array(tokens * vocabSize);
  const chunk = options.chunk ?? Infinity;
  const longest = Math.max(...sequences.map((ids) => ids.length));
  for (let begin = 0, number = 0; begin < longest; begin += chunk, number++) {
    const active = sequences.map((_, i) => i).filter((i) => sequences[i]!.length > begin);
    const endOf = (i: number) => Math.min(begin + chunk, sequences[i]!.length);
    step.reset();
    for (const i of active) {
      const table = options.changePages?.(tables[i]!, number, i) ?? tables[i]!;
      step.addRequest(begin, table, Math.ceil(endOf(i) / pageTokens));
      for (let at = begin; at < endOf(i); at++) {
        step.addId(sequences[i]![at]!);
        step.addTarget(0);
      }
    }
    program.wait(program.run(step), results);
    program.read(logits, read);
    let row = 0;
    for (const i of active) {
      for (let at = begin; at < endOf(i); at++, row++) {
        const values = read.subarray(row * vocabSize, (row + 1) * vocabSize);
        out[i]!.set(logSoftmax(values), at * vocabSize);
      }
    }
  }
  program.free();
  device.close();
  return out;
}

/** Page tables whose pages are neither in order nor beside each other; page 0 stays free. */
function scatteredTables(lengths: readonly number[]): Int32Array[] {
  const tables = lengths.map((length) => new Int32Array(Math.ceil(length / pageTokens)));
  const total = tables.reduce((sum, table) => sum + table.length, 0);
  let page = total;
  for (let i = 0; page > 0; i++) {
    for (const table of tables) if (i < table.length) table[i] = page--;
  }
  return tables;
}

function logSoftmax(logits: Float32Array): Float32Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits.map((logit) => logit - largest - Math.log(sum));
}

/** Largest and mean absolute difference over everything; a NaN makes both NaN. */
export function difference(a: readonly Float32Array[], b: readonly Float32Array[]) {
  let max = 0;
  let sum = 0;
  let count = 0;
  a.forEach((values, i) => {
    values.forEach((value, j) => {
      const delta = Math.abs(value - b[i]![j]!);
      max = Math.max(max, delta);
      sum += delta;
      count++;
    });
  });
  return { max, mean: sum / count };
}
