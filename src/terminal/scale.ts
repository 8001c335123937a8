/** From values to places: linear and logarithmic scales with round ticks. */

export interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
  /** Value range that is drawn. */
  readonly low: number;
  readonly high: number;
}

/** Places are the two ends in pixels; the second may be above the first, as for y. */
export interface Places {
  readonly from: number;
  readonly to: number;
}

/** From 0 or `low` to the next round tick. */
export function linearScale(low: number, high: number, places: Places, count = 5): Scale {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = roundStep(span / count);
  const first = Math.floor(low / step + 1e-9) * step;
  const last = Math.ceil((low + span) / step - 1e-9) * step;
  const ticks: number[] = [];
  for (let i = 0; first + i * step <= last + step / 2; i++) ticks.push(first + i * step);
  return { ticks, low: first, high: last, at: between(first, last, places) };
}

/** 1, 2 or 5 times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const digit = step / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/** Powers of ten within, and where these are few, their 2 and 5 times. */
export function logScale(low: number, high: number, places: Places): Scale {
  const [from, to] = low < high ? [low, high] : [low / 2, low * 2];
  const powers = Array.from(
    { length: Math.ceil(Math.log10(to)) - Math.floor(Math.log10(from)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(from)) + i),
  );
  const within = (value: number): boolean => value >= from * 0.999 && value <= to * 1.001;
  const coarse = powers.filter(within);
  const fine = powers.flatMap((power) => [power, 2 * power, 5 * power]).filter(within);
  const logged = between(Math.log(from), Math.log(to), places);
  return {
    ticks: coarse.length >= 3 ? coarse : fine,
    low: from,
    high: to,
    at: (value) => logged(Math.log(Math.max(value, from))),
  };
}

const between =
  (low: number, high: number, { from, to }: Places) =>
  (value: number): number =>
    from + ((value - low) / (high - low)) * (to - from);

/** A tick without useless zeros. */
export function tickText(value: number): string {
  const rounded = Number(value.toPrecision(10));
  if (Math.abs(rounded) >= 1e6) return `${Number((rounded / 1e6).toPrecision(4))}M`;
  if (Math.abs(rounded) >= 10_000) return `${Number((rounded / 1000).toPrecision(4))}k`;
  return String(rounded);
}
