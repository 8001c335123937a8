/** Numbers of many requests as a column: `Float64Array.from` would make a list of them first. */

/** A number for each of the requests. */
export function valuesOf(indices: Int32Array, of: (index: number) => number): Float64Array {
  const values = new Float64Array(indices.length);
  for (let k = 0; k < values.length; k++) values[k] = of(indices[k]!);
  return values;
}
