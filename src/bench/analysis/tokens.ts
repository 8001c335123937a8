/** Three counts of the output tokens: asked for, reported by the server, and counted again in what it sent. */
import type { Measurements } from "../measurements.ts";
import { tokensPerEvent } from "./latencies.ts";

/** Tokenizing a text again need not give the tokens that made it; more than this is not explained by that. */
const retokenizedTolerance = 0.05;

export interface TokenCounts {
  readonly requested: number;
  /** null: not reported with every reply. */
  readonly reported: number | null;
  readonly retokenized: number;
  /** As Measurements.tokens counts them; NaN without events. */
  readonly perEvent: number;
  /** Sentences on where they disagree. */
  readonly warnings: readonly string[];
}

/** Of all replies, those that were too short included. */
export function tokenCounts(m: Measurements): TokenCounts {
  const done = m.indices("ok", "short output");
  const sum = (column: Int32Array): number => done.reduce((all, i) => all + column[i]!, 0);
  const requested = sum(m.columns.outputLen);
  const counted = done.length > 0 && done.every((i) => m.columns.reported[i]! >= 0);
  const reported = counted ? sum(m.columns.reported) : null;
  const retokenized = sum(m.columns.retokenized);
  const warnings: string[] = [];
  if (reported !== null && reported !== requested && m.options.exactOutput) {
    warnings.push(
      `the server reports ${reported} output tokens where ${requested} were asked for: ` +
        "bench_serving's output throughput and TPOT take the latter",
    );
  }
  const expected = reported ?? requested;
  const comparable = reported !== null || m.options.exactOutput;
  if (comparable && Math.abs(retokenized - expected) > retokenizedTolerance * expected) {
    const source = reported === null ? "asked for" : "reported";
    warnings.push(
      `the text holds ${retokenized} tokens where ${expected} were ${source}: ` +
        "is --tokenizer the server's, and does it send all of its text?",
    );
  }
  return { requested, reported, retokenized, perEvent: tokensPerEvent(m, done), warnings };
}
