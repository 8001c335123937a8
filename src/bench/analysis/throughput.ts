/** Rates of what replies that were what was asked for brought, with the interval of what the run itself shows them to vary. */
import type { Measurements } from "../measurements.ts";
import { seriesConfidence, type Interval } from "../statistics/bootstrap.ts";
import { amounts, type Spans } from "../statistics/timeline.ts";
import { randomFor } from "./random.ts";
import { valuesOf } from "../statistics/values.ts";

export interface Rate {
  readonly perS: number;
  /** null: fewer than 20 requests. */
  readonly interval: Interval | null;
}

/** What a throughput counts: requests, tokens of prompts, tokens of replies as Measurements.tokens counts them. */
export type Counted = "requests" | "inputTokens" | "outputTokens";
export type Throughput = Readonly<Record<Counted, Rate>>;

/** A run is cut into so many stretches at most. */
const binsMax = 200;

export function throughput(
  m: Measurements,
  chosen: Int32Array,
  durationS: number,
  seed: number,
): Throughput {
  const rateOf = (what: Counted, name: string): Rate => {
    const spans = brought[what](m, chosen);
    const interval = seriesConfidence(rates(spans, durationS), randomFor(seed, name));
    return { perS: total(spans) / durationS, interval };
  };
  return {
    requests: rateOf("requests", "requests"),
    inputTokens: rateOf("inputTokens", "input tokens"),
    outputTokens: rateOf("outputTokens", "output tokens"),
  };
}

/** What requests brought, and when. */
export const brought: Readonly<Record<Counted, (m: Measurements, chosen: Int32Array) => Spans>> = {
  /** One each, at the moment when the reply was whole. */
  requests: (m, chosen) => {
    const at = endsOf(m, chosen);
    return { from: at, to: at, amount: new Float64Array(chosen.length).fill(1) };
  },
  /** The tokens of each prompt, when it had been read: at the first token. */
  inputTokens: (m, chosen) => {
    const at = firstTokensOf(m, chosen);
    return { from: at, to: at, amount: valuesOf(chosen, (i) => m.columns.promptLen[i]!) };
  },
  /** The tokens of each reply, spread from the first to the end. */
  outputTokens: (m, chosen) => ({
    from: firstTokensOf(m, chosen),
    to: endsOf(m, chosen),
    amount: valuesOf(chosen, (i) => m.tokens(i)),
  }),
};

const firstTokensOf = ({ columns }: Measurements, chosen: Int32Array): Float64Array =>
  valuesOf(chosen, (i) => columns.sentS[i]! + columns.ttftS[i]!);

const endsOf = ({ columns }: Measurements, chosen: Int32Array): Float64Array =>
  valuesOf(chosen, (i) => columns.sentS[i]! + columns.latencyS[i]!);

export const total = ({ amount }: Spans): number => amount.reduce((sum, part) => sum + part, 0);

/** Rates a second in stretches of equal length of the run. */
export function rates(spans: Spans, durationS: number): Float64Array {
  const bins = Math.min(binsMax, spans.amount.length);
  const width = durationS / bins;
  return amounts(spans, 0, durationS, bins).map((amount) => amount / width);
}
