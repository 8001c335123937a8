/** Rates of replies that were what was asked for, with the interval of what the run itself shows them to vary. */
import type { Measurements } from "../measurements.ts";
import { seriesConfidence, type Interval } from "../statistics/bootstrap.ts";
import { amounts, type Spans } from "../statistics/timeline.ts";
import { randomFor } from "./random.ts";

export interface Rate {
  readonly perS: number;
  /** null: fewer than 20 requests. */
  readonly interval: Interval | null;
}

export interface Throughput {
  readonly requests: Rate;
  /** As Measurements.tokens counts them. */
  readonly outputTokens: Rate;
}

/** A run is cut into so many stretches at most. */
const binsMax = 200;

export function throughput(
  m: Measurements,
  chosen: Int32Array,
  durationS: number,
  seed: number,
): Throughput {
  const rateOf = (spans: Spans, name: string): Rate => {
    const total = spans.amount.reduce((sum, amount) => sum + amount, 0);
    const bins = Math.min(binsMax, chosen.length);
    const width = durationS / bins;
    const series = amounts(spans, 0, durationS, bins).map((amount) => amount / width);
    const interval = seriesConfidence(series, randomFor(seed, name));
    return { perS: total / durationS, interval };
  };
  return {
    requests: rateOf(ends(m, chosen), "requests"),
    outputTokens: rateOf(outputTokens(m, chosen), "output tokens"),
  };
}

/** One each, at the moment when the reply was whole. */
export function ends(m: Measurements, chosen: Int32Array): Spans {
  const at = Float64Array.from(chosen, (i) => m.columns.sentS[i]! + m.columns.latencyS[i]!);
  return { from: at, to: at, amount: new Float64Array(chosen.length).fill(1) };
}

/** The tokens of each reply, spread from the first to the end. */
export function outputTokens(m: Measurements, chosen: Int32Array): Spans {
  return {
    from: Float64Array.from(chosen, (i) => m.columns.sentS[i]! + m.columns.ttftS[i]!),
    to: Float64Array.from(chosen, (i) => m.columns.sentS[i]! + m.columns.latencyS[i]!),
    amount: Float64Array.from(chosen, (i) => m.tokens(i)),
  };
}
