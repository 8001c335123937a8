/**
 * Throws random words at the native libraries; run by fuzz.test.ts as a process of its own, since what it looks for
 * is a crash. Prints how many calls were accepted and refused.
 */
import { Backend, BackendError, type BackendName } from "../../src/program/backend.ts";
import { Random } from "./harness.ts";

const [, , seed, folder] = process.argv;
const random = new Random(Number(seed));
const kvCacheOp = 6;
const counts = { accepted: 0, refused: 0 };

function attempt<T>(call: () => T): T | null {
  try {
    const result = call();
    counts.accepted++;
    return result;
  } catch (error) {
    if (!(error instanceof BackendError) || error.message === "") throw error;
    counts.refused++;
    return null;
  }
}

/** Mostly small numbers, sometimes the edges of 32 bits. */
function word(): number {
  const kind = random.below(20);
  if (kind === 0) return random.bits() | 0;
  if (kind === 1) return [2 ** 31 - 1, -(2 ** 31), -1, 2 ** 30][random.below(4)]!;
  return random.below(6) - (kind === 2 ? 3 : 0);
}
const words = (count: number) => Int32Array.from({ length: count }, word);

/** None, or penalties of 1 for some of the 8 tokens and biases of 1 for others. */
function adjustment(row: number): number[] {
  if (random.below(2) === 0) return [];
  const one = 0x3f800000;
  const some = () => Array.from({ length: 8 }, (_, id) => id).filter(() => random.below(3) === 0);
  const counted = some();
  if (random.below(2) === 0) counted.unshift(-1 - random.below(3));
  const biased = some();
  const pairs = [
    ...counted.flatMap((id) => [id, 1 + random.below(4)]),
    ...biased.flatMap((id) => [id, one]),
  ];
  return [row, one, one, one, counted.length, biased.length, ...pairs];
}

/** None, or some of the 8 tokens whose logprobs are asked for. */
function askedTokens(row: number): number[] {
  if (random.below(2) === 0) return [];
  const tokens = Array.from({ length: 1 + random.below(5) }, () => random.below(8));
  return [row, tokens.length, ...tokens];
}

/** A valid step with a few words overwritten. */
function step(tokens: number, rows: number): Int32Array {
  const sampling = [-1, 0, 0x3f800000, 0, 5, 1, 0, 0, 1, 1];
  const adjustments = Array.from({ length: rows }, (_, row) => adjustment(row)).flat();
  const asked = Array.from({ length: rows }, (_, row) => askedTokens(row)).flat();
  const valid = [3, tokens, 1, rows, 2, adjustments.length, asked.length, 0];
  for (let i = 0; i < tokens; i++) valid.push(random.below(8));
  valid.push(0, tokens, random.below(20), 0, 2, 0, 1);
  for (let i = 0; i < rows; i++) valid.push(tokens - 1);
  for (let i = 0; i < rows; i++) valid.push(...sampling);
  valid.push(...adjustments, ...asked);
  const out = Int32Array.from(valid);
  for (let i = random.below(4); i > 0; i--) out[random.below(out.length)] = word();
  return random.below(10) === 0 ? out.slice(0, random.below(out.length)) : out;
}

function fuzz(name: BackendName): void {
  const backend = new Backend(name, folder && `${folder}/libservebench_${name}.so`);
  const device = backend.open(name === "cpu" ? "threads=2 poison=1" : "");
  const values = new Float32Array(64 * 8).fill(0.5);
  backend.constant(device, values.subarray(0, 64), 0, 8, 8);
  backend.constant(device, values.subarray(0, 8), 1, 1, 8);
  backend.constant(device, values.subarray(0, 2), 0, 1, 2);
  backend.constant(device, values, 0, 64, 8);
  const out = new Int32Array(4000);
  for (let round = 0; round < 60; round++) {
    const limits = Int32Array.of(8, 4, 4, 4, 8);
    if (random.below(4) === 0) limits[random.below(5)] = random.below(10);
    const program = attempt(() => backend.program(device, limits));
    if (program === null) continue;
    attempt(() => backend.op(program, Int32Array.of(1, 0)));
    for (let i = 0; i < 60; i++) {
      const op = words(1 + random.below(5));
      op[0] = random.below(14);
      if (op[0] === kvCacheOp) op.forEach((w, j) => void (op[j] = Math.min(w, 64))); // bounded memory
      attempt(() => backend.op(program, op));
    }
    attempt(() => backend.op(program, Int32Array.of(11, 0)));
    attempt(() => backend.compile(program));
    for (let i = 0; i < 60; i++) {
      const s = step(1 + random.below(9), random.below(5));
      const ticket = attempt(() => backend.run(program, s, s.length));
      attempt(() => backend.wait(program, ticket ?? word(), out));
      attempt(() => backend.read(program, word(), values));
    }
    backend.free(program);
    for (const handle of [program, word()])
      if (handle !== device) attempt(() => backend.idleUs(handle));
  }
  backend.close(device);
}

fuzz("null");
fuzz("cpu");
console.log(JSON.stringify(counts));
