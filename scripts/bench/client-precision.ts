/**
 * The self-test of `servebench mock` with one more client: SGLang's own bench_serving 0.2.7, unchanged, in the same turns
 * against the same mock server. Prints docs/results/precision.md.
 *
 *   SERVEBENCH_PYTHON=python3 scripts/bench/client-precision [--rounds N] [--only TEXT] [bench_serving_v0.2.7.py]
 *
 * Needs what the self-test needs, and a Python with what bench_serving needs; without that or its source, it says so and
 * measures the other two. TEXT chooses the loads whose name holds it.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import {
  gapErrors,
  scenarios,
  selfTest,
  sendTimesNs,
  type Client,
} from "../../src/bench/mock/self-test.ts";
import { figureTable } from "../../src/bench/mock/table.ts";
import { pythonWith } from "../../test/support/python.ts";
import { header } from "./report.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "3" }, only: { type: "string", default: "" } },
});
const root = join(import.meta.dir, "../..");
const source = positionals[0] ?? join(root, "../shared/peers/bench_serving_v0.2.7.py");
const peerName = "bench_serving 0.2.7";

/** What bench_serving_client.py prints. Seconds, on CLOCK_MONOTONIC where they are times. */
interface Run {
  readonly durationS: number;
  readonly cpuS: number;
  readonly outputs: readonly {
    readonly startS: number;
    readonly success: boolean;
    readonly ttftS: number;
    /** The first is the time to the first token. */
    readonly itlsS: readonly number[];
    readonly text: string;
    readonly error: string;
  }[];
}

const note = (line: string): void => console.error(line);

/** Runs bench_serving in a process of its own. */
function benchServing(python: string): Client {
  return async (port, _, scenario) => {
    const { streams, tokens, rate, ttftMs } = scenario;
    const driver = join(import.meta.dir, "bench_serving_client.py");
    const words = [port, streams, tokens, rate === Infinity ? "inf" : rate].map(String);
    const { stdout } = await promisify(execFile)(python, [driver, source, ...words], {
      maxBuffer: 2 ** 30,
      env: { ...process.env, HF_HUB_OFFLINE: "1" },
    });
    const { durationS, cpuS, outputs } = JSON.parse(stdout) as Run;
    const whole = outputs.filter(({ success }) => success);
    if (whole.length < outputs.length) {
      const why = outputs
        .find(({ success }) => !success)!
        .error.trim()
        .split("\n")
        .at(-1);
      note(`${peerName}: ${outputs.length - whole.length} requests failed: ${why}`);
    }
    const eventsS = whole.map(({ itlsS }) => {
      let at = 0;
      return Float64Array.from(itlsS, (gap) => (at += gap));
    });
    return {
      completed: whole.length,
      ttftErrorS: Float64Array.from(whole, ({ ttftS }) => Math.abs(ttftS - ttftMs / 1000)),
      itlErrorS: gapErrors(eventsS, scenario),
      latenessS: Float64Array.from(
        whole.flatMap(({ startS, text }, i) =>
          sendTimesNs(text).map((ns, k) => startS + eventsS[i]![k]! - ns / 1e9),
        ),
      ),
      durationS,
      cpuS,
      events: eventsS.reduce((sum, { length }) => sum + length, 0),
      lagS: new Float64Array(),
    };
  };
}

/** bench_serving where it can run, else null and a word about why. */
function findPeer(): Client | null {
  const found = pythonWith("aiohttp", "numpy", "requests", "tqdm", "transformers");
  const why = existsSync(source) ? (found.python === null ? found.why : null) : `no ${source}`;
  if (why === null) return benchServing(found.python!);
  note(`SKIPPED: ${peerName}: ${why}`);
  return null;
}

const peer = findPeer();
const chosen = scenarios.filter(({ name }) => name.includes(values.only));
const { signal } = new AbortController();
const rows = await selfTest(chosen, Number(values.rounds), { note, signal }, peer);
const others = peer === null ? "a bare client" : `a bare client and ${peerName}`;

console.log(`# How precise the client is

Beside ${others}, in turns; medians of ${values.rounds} rounds. ${header("scripts/bench/client-precision")}
The mock sends its first token after 50 ms and one every 10 ms, 100 in all, and puts the time of sending into each; client and mock
are two processes that share the machine. Bare is \`native/net/bare.cpp\`: one thread that connects, reads and stamps, with neither
HTTP nor JSON. Errors are without sign. What is to be reached comes from measurements of other clients on another machine;
the ratios to the bare client hold, absolute figures need not.
${peer === null ? "" : `bench_serving runs unchanged, but counts no tokens; its lateness is from a moment shortly before it starts the clock of a request.\n`}
${figureTable(rows, peer && peerName)}
Arrival after schedule is when the mock had a request, less when it was due if the first was on time.

## Other clients, on another machine

vLLM's and SGLang's clients in Rust are not in the table: their dependencies could not be had on this machine. Measured on two
cores of an Intel Sapphire Rapids VM against a like mock, as multiples of the bare client of that page:

| figure | vllm-rs 0.33.0 | sglang-bench 0.5.23 | bench_serving 0.2.7 |
|---|---|---|---|
| TTFT error p50, 100 streams | 1.9 | 2.7 | 11 |
| TTFT error p50, 1000 streams | 1.0 | 3.3 | 27 |
| TTFT error p99, 1000 streams | 4.3 | 5.7 | 31 |
| ITL error p50, 1000 streams | 4 | 10 | 500 |
| ITL error p99, 1000 streams | 1.5 | 3.5 | 56 |
| duration, 1000 streams | 1.06 | 1.10 | 1.46 |
| CPU, 1000 streams | 2.6 | 3.3 | 4.3 |
| events/s, one a write | 1.3 | 0.99 | 0.29 |
| events/s, 32 a write | 0.24 | 0.13 | 0.028 |

At 1000 requests a second (Poisson) their arrivals lag by 1.1 ms (p50) and 2.1 ms (p99), 2964 and 5952 ms, and 1195 and 2369 ms.
`);
