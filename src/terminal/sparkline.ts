/** A small curve in one line of text. */

const blocks = "▁▂▃▄▅▆▇█";
const asciiLevels = "_.-~=+*#";

export interface SparklineStyle {
  /** For terminals without Unicode. */
  readonly ascii?: boolean;
  /** What the highest level stands for; the greatest value if not given. The lowest stands for 0. */
  readonly max?: number;
}

/**
 * The last `width` values, one character each, from 0 up. A value that is no number is a blank; fewer values than
 * `width` stand at the right, so that a growing curve moves like a full one.
 */
export function sparkline(
  values: readonly number[],
  width: number,
  { ascii = false, max }: SparklineStyle = {},
): string {
  if (width <= 0) return "";
  const levels = ascii ? asciiLevels : blocks;
  const shown = values.slice(-width);
  const highest = max ?? Math.max(0, ...shown.filter(Number.isFinite));
  const characters = shown.map((value) => {
    if (Number.isNaN(value)) return " ";
    const share = highest > 0 ? value / highest : 0;
    const level = Math.ceil(share * levels.length) - 1;
    return levels[Math.min(levels.length - 1, Math.max(0, level))];
  });
  return characters.join("").padStart(width);
}
