/** " (did you mean X?)" for the known word nearest to a mistyped one, or "" if none is near. */
export function nearest(written: string, known: readonly string[]): string {
  const limit = Math.max(1, Math.floor(written.length / 3));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const word of known) {
    const distance = editDistance(written, word);
    if (distance < bestDistance) [best, bestDistance] = [word, distance];
  }
  return best === null ? "" : ` (did you mean ${best}?)`;
}

/** Optimal string alignment distance: insertions, deletions, changes, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? beforeLast[j - 2]! + 1 : Infinity;
      row.push(Math.min(change, last[j]! + 1, row[j - 1]! + 1, swap));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
