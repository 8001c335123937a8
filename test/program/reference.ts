/** Sampling in float64, written for clarity, beside the other operations: what the native kernels are checked against. */
export * from "../../src/kernels/reference.ts";

/** Philox4x32-10 (Salmon et al. 2011): four words from a counter and a key. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const low = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & low, (p0 >> 32n) ^ c3 ^ k1, p0 & low];
    k0 = (k0 + 0x9e3779b9n) & low;
    k1 = (k1 + 0xbb67ae85n) & low;
  }
  return [c0, c1, c2, c3].map(Number);
}

/** The draw's uniform number in [0, 1), as servebench.h defines it. */
export function uniform(seed: number, position: number): number {
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  const [w0, w1] = philox([position, 0, 0, 0], key) as [number, number];
  return ((w0 >>> 5) * 2 ** 26 + (w1 >>> 6)) / 2 ** 53;
}

export interface Penalties {
  readonly frequency?: number;
  readonly presence?: number;
  readonly repetition?: number;
}

/** Logits after penalties for the counted tokens, then biases. */
export function adjusted(
  logits: ArrayLike<number>,
  { frequency = 0, presence = 0, repetition = 1 }: Penalties,
  counts: ReadonlyMap<number, number>,
  biases: ReadonlyMap<number, number>,
): Float64Array {
  return Float64Array.from(logits, (logit, id) => {
    let x = logit;
    const count = counts.get(id) ?? 0;
    if (count > 0) {
      x -= frequency * count;
      x -= presence;
      x = x < 0 ? x * repetition : x / repetition;
    }
    return x + (biases.get(id) ?? 0);
  });
}

export interface Filters {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
}

/** Probabilities after the filters (not renormalised): 0 where dropped. */
export function filtered(logits: ArrayLike<number>, f: Filters): Float64Array {
  const scaled = Float64Array.from(logits, (x) => x / f.temperature);
  const most = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = scaled.map((x) => Math.exp(x - most));
  const total = weights.reduce((a, b) => a + b, 0);
  const order = Array.from(weights, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const out = new Float64Array(logits.length);
  let before = 0;
  order.forEach((id, rank) => {
    const p = weights[id]! / total;
    const keep = rank < f.topK && before <= f.topP && weights[id]! >= f.minP;
    if (keep) out[id] = p;
    before += p;
  });
  return out;
}

/** The first id at which the cumulated probability exceeds u times the sum of `kept`. */
export function draw(kept: Float64Array, u: number): number {
  const target = u * kept.reduce((a, b) => a + b, 0);
  let cumulated = 0;
  for (let i = 0; i < kept.length; i++) {
    cumulated += kept[i]!;
    if (cumulated > target) return i;
  }
  return kept.findLastIndex((p) => p > 0);
}
