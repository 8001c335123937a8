/** The operations of programs in float64, written for clarity: what the native kernels are checked against. */

export function rmsnorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  eps: number,
): Float64Array {
  const g = weight.length;
  const y = new Float64Array(x.length);
  for (let begin = 0; begin < x.length; begin += g) {
    let squares = 0;
    for (let i = 0; i < g; i++) squares += x[begin + i]! ** 2;
    const rms = Math.sqrt(squares / g + eps);
    for (let i = 0; i < g; i++) y[begin + i] = (x[begin + i]! / rms) * weight[i]!;
  }
  return y;
}

/** x [M, K] times weight [N, K] transposed plus bias; `magnitude`: the same of absolute values, to scale errors. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  n: number,
  k: number,
): { y: Float64Array; magnitude: Float64Array } {
  const rows = x.length / k;
  const y = new Float64Array(rows * n);
  const magnitude = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias?.[j] ?? 0;
      let total = Math.abs(sum);
      for (let l = 0; l < k; l++) {
        const product = x[i * k + l]! * weight[j * k + l]!;
        sum += product;
        total += Math.abs(product);
      }
      y[i * n + j] = sum;
      magnitude[i * n + j] = total;
    }
  }
  return { y, magnitude };
}

/** x [T, heads * d]; rotates pairs (j, j + half) of each head. */
export function rope(
  x: ArrayLike<number>,
  positions: readonly number[],
  frequencies: ArrayLike<number>,
  d: number,
): Float64Array {
  const y = Float64Array.from(x);
  const width = x.length / positions.length;
  const half = frequencies.length;
  positions.forEach((position, t) => {
    for (let head = t * width; head < (t + 1) * width; head += d) {
      for (let j = 0; j < half; j++) {
        const angle = position * frequencies[j]!;
        const a = x[head + j]!;
        const b = x[head + half + j]!;
        y[head + j] = a * Math.cos(angle) - b * Math.sin(angle);
        y[head + half + j] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  });
  return y;
}

/**
 * One query [heads * d] over keys and values [positions][kvHeads * d], all positions visible.
 */
export function attend(
  q: ArrayLike<number>,
  keys: readonly ArrayLike<number>[],
  values: readonly ArrayLike<number>[],
  kvHeads: number,
  d: number,
  scale: number,
): Float64Array {
  const heads = q.length / d;
  const out = new Float64Array(q.length);
  for (let h = 0; h < heads; h++) {
    const at = Math.floor(h / (heads / kvHeads)) * d;
    const scores = keys.map((key) => {
      let dot = 0;
      for (let i = 0; i < d; i++) dot += q[h * d + i]! * key[at + i]!;
      return dot * scale;
    });
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((s) => Math.exp(s - most));
    const total = weights.reduce((a, b) => a + b, 0);
    values.forEach((value, t) => {
      for (let i = 0; i < d; i++) out[h * d + i]! += (weights[t]! / total) * value[at + i]!;
    });
  }
  return out;
}

export function siluMul(gate: ArrayLike<number>, up: ArrayLike<number>): Float64Array {
  return Float64Array.from(gate, (g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
}
