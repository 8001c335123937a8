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
  /** When the mock had each request, since it had the first. */
  readonly arrivalsS: Float64Array;
}

/** Sends the scenario's requests to 127.0.0.1 and says what it makes of the replies. */
export type Client = (
  port: number,
  request: Uint8Array,
  scenario: Scenario,
  io: SelfTestIo,
) => Promise<Omit<Measured, "arrivalsS">>;

/** Measures one client in one scenario, against a mock of its own. */
async function measure(client: Client, scenario: Scenario, io: SelfTestIo): Promise<Measured> {
  const server = await startMockProcess(scenario, io);
  try {
    const port = Number(new URL(server.baseUrl).port);
    const body = JSON.stringify({ model: "mock", max_tokens: scenario.tokens, stream: true });
    const headers = [["Content-Type", "application/json"]] as const;
    const request = postBytes(`127.0.0.1:${port}`, "/v1/completions", headers, body);
    const measured = await client(port, request, scenario, io);
    return { ...measured, arrivalsS: await arrivals(server.baseUrl, scenario) };
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

/** Of the last requests: what warmed up came before. */
async function arrivals(url: string, { streams }: Scenario): Promise<Float64Array> {
  const response = await fetch(`${url}/mock`);
  const { arrivals_ns: all } = (await response.json()) as { arrivals_ns: number[] };
  const last = all.slice(-streams);
  return Float64Array.from(last, (ns) => (ns - last[0]!) / 1e9);
}

/** When the requests of a scenario are due; bench_serving draws the same gaps from the same seed. */
function schedule({ rate, streams }: Scenario): Float64Array {
  return arrivalTimes({ perSecond: rate, integer: false }, streams, new NumpyRandom(0));
}

function cpuS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const none = new Float64Array();

const measureBare: Client = (port, request, scenario) => {
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
};

/** @param streams when the events of each came */
export function gapErrors(streams: readonly Float64Array[], { itlMs }: Scenario): Float64Array {
  const errors = streams.flatMap((at) =>
    Array.from(at.subarray(1), (s, i) => Math.abs(s - at[i]! - itlMs / 1000)),
  );
  return Float64Array.from(errors);
}

const measureOurs: Client = async (port, bytes, scenario, { signal }) => {
  const { tokens } = scenario;
  const backend = backendOf.vllm;
  const prepared = { promptLen: 1, outputLen: tokens, bytes };
  const before = cpuS();
  const result = await collectLoad({
    endpoint: { host: "127.0.0.1", port, tls: false },
    ...plainLoad,
    schedule: onceEach(schedule(scenario), () => prepared),
    format: {
      newReader: () => backend.newReader(defaultOptions),
      textPath: backend.textPath,
    },
    signal,
  });
  return figures(result, scenario, cpuS() - before);
};

type Collected = Awaited<ReturnType<typeof collectLoad>>;

function figures({ records, durationS, startNs }: Collected, s: Scenario, used: number) {
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

export function sendTimesNs(text: string): number[] {
  const count = Math.floor(text.length / stampLength);
  return Array.from({ length: count }, (_, i) =>
    Number(text.slice(i * stampLength + 1, (i + 1) * stampLength)),
  );
}

/** One figure of all clients: medians over rounds. */
export interface Row {
  readonly scenario: string;
  readonly figure: string;
  readonly unit: string;
  readonly bare: number | null;
  /** Another client, where one is measured. */
  readonly peer: number | null;
  readonly servebench: number;
  /** What this client has to reach. */
  readonly bar: Bar | null;
}

/** A bound, in the unit of the figure or in multiples of the bare client's. */
export interface Bar {
  readonly side: "most" | "least";
  readonly value: number;
  readonly ofBare: boolean;
}

const most = (value: number): Bar => ({ side: "most", value, ofBare: false });
const least = (value: number): Bar => ({ side: "least", value, ofBare: false });
const mostOfBare = (value: number): Bar => ({ side: "most", value, ofBare: true });
const leastOfBare = (value: number): Bar => ({ side: "least", value, ofBare: true });

type Figure = Pick<Row, "figure" | "unit" | "bar"> & { readonly of: (m: Measured) => number };

const ms = (name: string, of: (m: Measured) => number, bar: Row["bar"]): Figure => ({
  figure: name,
  unit: "ms",
  bar,
  of: (m) => of(m) * 1000,
});

/**
 * The bars are what the best of other clients reach, and better, as multiples of the bare client where it is measured.
 * On the machine that they come from it did 391,000 events a second, 3.75 million with 32 a write, and took 0.36 ms a
 * stream, so that these three are bars of 500,000, 2.5 million and 0.6 ms there.
 */
function figuresOf(scenario: Scenario): Figure[] {
  const { name, streams, tokens, itlMs, ttftMs } = scenario;
  const idealS = (ttftMs + (tokens - 1) * itlMs) / 1000;
  if (name.startsWith("flat out")) {
    const bar = leastOfBare(name.includes("32") ? 0.67 : 1.28);
    return [{ figure: "events/s", unit: "", bar, of: (m) => m.events / m.durationS }];
  }
  if (name.startsWith("Poisson")) {
    return [
      ms("send lag p50", (m) => median(m.lagS), most(0.1)),
      ms("send lag p99", (m) => percentile(m.lagS, 99), most(0.5)),
      ms("arrival after schedule p50", (m) => median(arrivalLag(m, scenario)), null),
      ms("arrival after schedule p99", (m) => percentile(arrivalLag(m, scenario), 99), null),
    ];
  }
  if (name.includes("lockstep")) {
    return [
      ms("lateness p50", (m) => median(m.latenessS), most(0.1)),
      ms("lateness p99", (m) => percentile(m.latenessS, 99), most(1)),
    ];
  }
  if (streams >= 10_000) {
    return [{ figure: "completed", unit: "", bar: least(streams), of: (m) => m.completed }];
  }
  const ttft = mostOfBare(streams === 1000 ? 1.1 : 1.2);
  return [
    ms("TTFT error p50", (m) => median(m.ttftErrorS), streams === 1 ? null : ttft),
    ms(
      "TTFT error p99",
      (m) => percentile(m.ttftErrorS, 99),
      streams > 1000 || streams === 1 ? null : ttft,
    ),
    ms("ITL error p50", (m) => median(m.itlErrorS), streams === 1000 ? mostOfBare(1.5) : null),
    ms(
      "ITL error p99",
      (m) => percentile(m.itlErrorS, 99),
      streams === 1000 ? mostOfBare(1.5) : null,
    ),
    {
      figure: "duration over ideal",
      unit: "",
      bar: streams >= 1000 ? mostOfBare(1.02) : null,
      of: (m) => m.durationS / idealS,
    },
    ms("CPU a stream", (m) => m.cpuS / streams, streams === 1000 ? mostOfBare(1.67) : null),
  ];
}

/** How late the mock had each request, if the first was on time. */
function arrivalLag({ arrivalsS }: Measured, scenario: Scenario): Float64Array {
  const dueS = schedule(scenario);
  return arrivalsS.map((s, i) => s - dueS[i]!);
}

/** Runs every scenario `rounds` times with all clients in turns. */
export async function selfTest(
  chosen: readonly Scenario[],
  rounds: number,
  io: SelfTestIo,
  peer: Client | null = null,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of chosen) {
    const runs = { bare: [] as Measured[], peer: [] as Measured[], ours: [] as Measured[] };
    const withBare = scenario.rate === Infinity && !scenario.lockstep && scenario.streams < 10_000;
    for (let round = 0; round < rounds && !io.signal.aborted; round++) {
      io.note(`${scenario.name}, round ${round + 1} of ${rounds}`);
      if (withBare) runs.bare.push(await measure(measureBare, scenario, io));
      if (peer) runs.peer.push(await measure(peer, scenario, io));
      runs.ours.push(await measure(measureOurs, scenario, io));
    }
    for (const { of, ...figure } of figuresOf(scenario)) {
      const bare = withBare ? median(runs.bare.map(of)) : null;
      const other = peer ? median(runs.peer.map(of)) : null;
      const servebench = median(runs.ours.map(of));
      rows.push({ scenario: scenario.name, ...figure, bare, peer: other, servebench });
    }
  }
  return rows;
}
