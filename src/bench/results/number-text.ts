/** Figures for people: about four digits that count. */
export function numberText(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 10_000) return value.toFixed(0);
  const decimals = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : size === 0 ? 0 : 3;
  return value.toFixed(decimals);
}
