/** What a run shows beyond bench_serving's figures, and how far it can be trusted. */
import type { LoadResult } from "../load.ts";
import type { Measurements } from "../measurements.ts";
import type { LoadFigures } from "../metrics.ts";
import type { BenchOptions } from "../options.ts";
import { clientFinding, type ClientFinding } from "./client.ts";
import { goodput, type Goodput } from "./goodput.ts";
import { latencies, type Latencies } from "./latencies.ts";
import { steadyState, type SteadyFinding } from "./steady.ts";
import { throughput, type Throughput } from "./throughput.ts";
import { tokenCounts, type TokenCounts } from "./tokens.ts";

export interface Analysis {
  /** Requests that ended so; a reply with fewer tokens than asked for is no success here. */
  readonly outcomes: Readonly<Record<"ok" | "shortOutput" | "failed" | "incomplete", number>>;
  readonly latencies: Latencies;
  readonly throughput: Throughput;
  readonly tokens: TokenCounts;
  readonly steady: SteadyFinding;
  /** null: no objectives were given. */
  readonly goodput: Goodput | null;
  readonly client: ClientFinding;
}

export function analyse(
  m: Measurements,
  { durationS, client }: Pick<LoadResult, "durationS" | "client">,
  load: LoadFigures,
  { seed, goodput: objectives }: Pick<BenchOptions, "seed" | "goodput">,
): Analysis {
  const ok = m.indices("ok");
  const found = latencies(m, ok, seed);
  return {
    outcomes: {
      ok: ok.length,
      shortOutput: m.indices("short output").length,
      failed: m.indices("failed").length,
      incomplete: m.indices("incomplete").length,
    },
    latencies: found,
    throughput: throughput(m, ok, durationS, seed),
    tokens: tokenCounts(m),
    steady: steadyState(m, ok, durationS),
    goodput: Object.keys(objectives).length > 0 ? goodput(m, ok, durationS, objectives) : null,
    client: clientFinding(client, load, found, durationS),
  };
}
