/**
 * How far this client's figures are from the truth on this machine: a mock server sends on an exact schedule, and the
 * client is measured beside a bare one (native/net/bare.cpp) that does nothing but read, in turns.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchServer, type LaunchedServer } from "../../launch/index.ts";
import { runBare } from "../../net/bare.ts";
import { runtime } from "../../runtime/index.ts";
import { UserError } from "../../user-error.ts";
import { arrivalTimes } from "../arrivals.ts";
import { backendOf } from "../backends/index.ts";
import { collectLoad, plainLoad } from "../load.ts";
import { defaultOptions } from "../options.ts";
import { onceEach } from "../schedule.ts";
import { NumpyRandom } from "../random/numpy.ts";
import { median, percentile } from "../statistics.ts";
import { postBytes } from "../transport/http.ts";

export interface SelfTestIo {
  readonly note: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A load and what the mock does with it. */
export interface Scenario {
  readonly name: string;
  readonly streams: number;
  readonly tokens: number;
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly perWrite: number;
  readonly lockstep: boolean;
  /** Requests a second; Infinity: all at once. */
  readonly rate: number;
}

const paced = { tokens: 100, ttftMs: 50, itlMs: 10, perWrite: 1, lockstep: false, rate: Infinity };
const flatOut = { streams: 256, ttftMs: 0, itlMs: 0, lockstep: false, rate: Infinity };

export const scenarios: readonly Scenario[] = [
  { ...paced, name: "1 stream", streams: 1 },
  { ...paced, name: "100 streams", streams: 100 },
  { ...paced, name: "1000 streams", streams: 1000 },
  { ...paced, name: "2000 streams", streams: 2000 },
  { ...paced, name: "1000 in lockstep", streams: 1000, itlMs: 30, tokens: 40, lockstep: true },
  { ...flatOut, name: "flat out, 1 event a write", tokens: 500, perWrite: 1 },
  { ...flatOut, name: "flat out, 32 events a write", tokens: 8000, perWrite: 32 },
  { ...paced, name: "Poisson, 1000 req/s", streams: 5000, tokens: 1, rate: 1000 },
  { ...paced, name: "10000 streams", streams: 10_000, tokens: 20, ttftMs: 4000, itlMs: 100 },
];

/** Seconds, where nothing else is said. */
export interface Measured {
  readonly completed: number;
  /** Reported time to first token less the mock's. */
  readonly ttftErrorS: Float64Array;
  /** Gap less the mock's, without sign. */
  readonly itlErrorS: Float64Array;
  /** Stamp less the time of the send that the event itself tells. Only of our client. */
  readonly latenessS: Float64Array;
  readonly durationS: number;
  readonly cpuS: number;
  readonly events: number;
  /** Send less due time. Only of our client. */
  readonly lagS: Float64Array;
}

export type ClientName = "bare" | "servebench";

/** Measures one client in one scenario, against a mock of its own. */
export async function measure(
  client: ClientName,
  scenario: Scenario,
  io: SelfTestIo,
): Promise<Measured> {
  const server = await startMockProcess(scenario, io);
  try {
    const port = Number(new URL(server.baseUrl).port);
    const body = JSON.stringify({ model: "mock", max_tokens: scenario.tokens, stream: true });
    const headers = [["Content-Type", "application/json"]] as const;
    const request = postBytes(`127.0.0.1:${port}`, "/v1/completions", headers, body);
    return await (client === "bare" ? measureBare : measureOurs)(port, request, scenario, io);
  } finally {
    await server.stop();
  }
}

async function startMockProcess(s: Scenario, { signal }: SelfTestIo): Promise<LaunchedServer> {
  const flags = {
    port: 0,
    ttft: s.ttftMs,
    itl: s.itlMs,
    tokens: s.tokens,
    "per-write": s.perWrite,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const lockstep = s.lockstep ? ["--lockstep"] : [];
  return launchServer(
    {
      command: [...runtime.selfCommand(), "mock", ...words, ...lockstep],
      logFile: join(tmpdir(), `servebench-mock-${process.pid}.log`),
      address: (log) => /ready at (http:\S+)/.exec(log)?.[1] ?? null,
      readyTimeoutMs: 20_000,
    },
    { signal, onWait: () => {} },
  );
}

function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const none = new Float64Array();

function measureBare(port: number, request: Uint8Array, scenario: Scenario): Promise<Measured> {
  const before = cpuS();
  const streams = runBare(port, request, scenario.streams, scenario.tokens);
  const used = cpuS() - before;
  const whole = streams.filter(({ eventsS }) => !Number.isNaN(eventsS.at(-1)));
  const last = Math.max(...streams.map(({ eventsS }) => eventsS.at(-1)!).filter(Number.isFinite));
  return Promise.resolve({
    completed: whole.length,
    ttftErrorS: Float64Array.from(whole, ({ sentS, eventsS }) =>
      Math.abs(eventsS[0]! - sentS - scenario.ttftMs / 1000),
    ),
    itlErrorS: gapErrors(
      whole.map(({ eventsS }) => eventsS),
      scenario,
    ),
    latenessS: none,
    durationS: last,
    cpuS: used,
    events: whole.length * scenario.tokens,
    lagS: none,
  });
}

function gapErrors(streams: readonly Float64Array[], { itlMs }: Scenario): Float64Array {
  const errors = streams.flatMap((at) =>
    Array.from(at.subarray(1), (s, i) => Math.abs(s - at[i]! - itlMs / 1000)),
  );
  return Float64Array.from(errors);
}

async function measureOurs(
  port: number,
  bytes: Uint8Array,
  scenario: Scenario,
  { signal }: SelfTestIo,
): Promise<Measured> {
  const { streams, tokens, rate } = scenario;
  const backend = backendOf.vllm;
  const prepared = { promptLen: 1, outputLen: tokens, bytes };
  const dueS = arrivalTimes({ perSecond: rate, integer: false }, streams, new NumpyRandom(0));
  const before = cpuS();
  const result = await collectLoad({
    endpoint: { host: "127.0.0.1", port, tls: false },
    ...plainLoad,
    schedule: onceEach(dueS, () => prepared),
    format: {
      newReader: () => backend.newReader(defaultOptions),
      textPath: backend.textPath,
    },
    signal,
  });
  return figures(result, scenario, cpuS() - before);
}

type Collected = Awaited<ReturnType<typeof collectLoad>>;

function figures({ records, durationS, startNs }: Collected, s: Scenario, used: number): Measured {
  const failed = records.find(({ failure }) => failure !== null);
  if (failed) {
    throw new UserError(`a request to the mock failed: ${failed.failure!.message}`);
  }
  const stamps = records.map(({ ttftS, itlsS }) => {
    let at = ttftS;
    return Float64Array.from([ttftS, ...itlsS.map((gap) => (at += gap))]);
  });
  return {
    completed: records.length,
    ttftErrorS: Float64Array.from(records, ({ ttftS }) => Math.abs(ttftS - s.ttftMs / 1000)),
    itlErrorS: gapErrors(stamps, s),
    latenessS: Float64Array.from(
      records.flatMap(({ text, sentS }, i) =>
        sendTimesNs(text).map((ns, k) => (startNs - ns) / 1e9 + sentS + stamps[i]![k]!),
      ),
    ),
    durationS,
    cpuS: used,
    events: records.length * s.tokens,
    lagS: Float64Array.from(records, ({ sentS, scheduledS }) => sentS - scheduledS),
  };
}

/** A blank and 16 digits an event: when the mock sent it. */
const stampLength = 17;

function sendTimesNs(text: string): number[] {
  const count = Math.floor(text.length / stampLength);
  return Array.from({ length: count }, (_, i) =>
    Number(text.slice(i * stampLength + 1, (i + 1) * stampLength)),
  );
}

/** One figure of both clients: medians over rounds. */
export interface Row {
  readonly scenario: string;
  readonly figure: string;
  readonly unit: string;
  readonly bare: number | null;
  readonly servebench: number;
  /** What this client has to reach: at most so many times the bare one, or an absolute bound. */
  readonly bar:
    { readonly ratio: number } | { readonly most: number } | { readonly least: number } | null;
}

type Figure = Pick<Row, "figure" | "unit" | "bar"> & { readonly of: (m: Measured) => number };

const ms = (name: string, of: (m: Measured) => number, bar: Row["bar"]): Figure => ({
  figure: name,
  unit: "ms",
  bar,
  of: (m) => of(m) * 1000,
});

/** The bars of the issue this client was built for; ratios to the bare client of the same run. */
function figuresOf({ name, streams, tokens, itlMs, ttftMs }: Scenario): Figure[] {
  const idealS = (ttftMs + (tokens - 1) * itlMs) / 1000;
  if (name.startsWith("flat out")) {
    const least = name.includes("32") ? 2_500_000 : 500_000;
    return [{ figure: "events/s", unit: "", bar: { least }, of: (m) => m.events / m.durationS }];
  }
  if (name.startsWith("Poisson")) {
    return [
      ms("send lag p50", (m) => median(m.lagS), { most: 0.1 }),
      ms("send lag p99", (m) => percentile(m.lagS, 99), { most: 0.5 }),
    ];
  }
  if (name.includes("lockstep")) {
    return [
      ms("lateness p50", (m) => median(m.latenessS), { most: 0.1 }),
      ms("lateness p99", (m) => percentile(m.latenessS, 99), { most: 1 }),
    ];
  }
  if (streams >= 10_000) {
    return [{ figure: "completed", unit: "", bar: { least: streams }, of: (m) => m.completed }];
  }
  const ttft = { ratio: streams === 1000 ? 1.1 : 1.2 };
  return [
    ms("TTFT error p50", (m) => median(m.ttftErrorS), streams === 1 ? null : ttft),
    ms(
      "TTFT error p99",
      (m) => percentile(m.ttftErrorS, 99),
      streams > 1000 || streams === 1 ? null : ttft,
    ),
    ms("ITL error p50", (m) => median(m.itlErrorS), streams === 1000 ? { ratio: 1.5 } : null),
    ms(
      "ITL error p99",
      (m) => percentile(m.itlErrorS, 99),
      streams === 1000 ? { ratio: 1.5 } : null,
    ),
    {
      figure: "duration over ideal",
      unit: "",
      bar: streams >= 1000 ? { ratio: 1.02 } : null,
      of: (m) => m.durationS / idealS,
    },
    ms("CPU a stream", (m) => m.cpuS / streams, streams === 1000 ? { most: 0.6 } : null),
  ];
}

/** Runs every scenario `rounds` times with both clients in turns. */
export async function selfTest(
  chosen: readonly Scenario[],
  rounds: number,
  io: SelfTestIo,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of chosen) {
    const bareRuns: Measured[] = [];
    const ourRuns: Measured[] = [];
    const withBare = scenario.rate === Infinity && !scenario.lockstep && scenario.streams < 10_000;
    for (let round = 0; round < rounds && !io.signal.aborted; round++) {
      io.note(`${scenario.name}, round ${round + 1} of ${rounds}`);
      if (withBare) bareRuns.push(await measure("bare", scenario, io));
      ourRuns.push(await measure("servebench", scenario, io));
    }
    for (const { of, ...figure } of figuresOf(scenario)) {
      const bare = withBare ? median(bareRuns.map(of)) : null;
      rows.push({ scenario: scenario.name, ...figure, bare, servebench: median(ourRuns.map(of)) });
    }
  }
  return rows;
}
