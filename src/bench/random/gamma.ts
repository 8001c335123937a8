/** Draws of a gamma distribution (G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", 2000). */

/** One draw of mean `shape * scale`; `random` gives numbers in [0, 1). */
export function gamma(shape: number, scale: number, random: () => number): number {
  // Below 1 the method does not hold: a draw of one shape more, made smaller by a power of a uniform one.
  if (shape < 1) return gamma(shape + 1, scale, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) {
      return d * v * scale;
    }
  }
}

/** G. E. P. Box, M. E. Muller, 1958. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
