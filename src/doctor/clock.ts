/** How exact times can be here: the clock, wake-ups, and this program's own load client against its own mock. */
import { setTimeout as sleep } from "node:timers/promises";
import { wireFormats } from "../bench/mock/formats.ts";
import { percentile } from "../bench/statistics.ts";
import { postBytes } from "../bench/transport/http.ts";
import { NetClient, type NetCounters, type NetReply } from "../net/client.ts";
import { NetMock } from "../net/mock.ts";
import { runtime } from "../runtime/index.ts";
import { bad, judged, ok, warn, type Finding, type ReadText } from "./finding.ts";

export async function clockFindings(read: ReadText, signal: AbortSignal): Promise<Finding[]> {
  const source = sourceFinding(
    read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
  );
  const findings = [source, wakeUpFinding(wakeUpsS())];
  try {
    return [...findings, ...loadFindings(await smallLoad(signal))];
  } catch (error) {
    const advice =
      "this program's client cannot talk to its own mock server over 127.0.0.1: check the loopback interface";
    return [...findings, bad("load client", (error as Error).message, advice)];
  }
}

/** Read in the process; others cost a call of the kernel or of the hypervisor. */
const fastSources = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

function sourceFinding(text: string | null): Finding {
  const source = text?.trim() ?? "";
  if (source === "") return ok("clock", "the kernel does not tell its source");
  const advice =
    "each look at the clock is a call of the kernel: boot with clocksource=tsc if the machine has a stable one";
  return judged("clock", `source ${source}`, fastSources.includes(source) ? null : advice);
}

const naps = 300;
const napUs = 1000;

/** How late a thread is that sleeps, in seconds. */
function wakeUpsS(): Float64Array {
  const libc = runtime.open("libc.so.6", { usleep: { args: ["i32"], returns: "i32" } });
  return Float64Array.from({ length: naps }, () => {
    const before = performance.now();
    libc.usleep(napUs);
    return Math.max(0, performance.now() - before - napUs / 1000) / 1000;
  });
}

const lateS = 1e-3;
const busyAdvice = "the machine is busy or shared: end what else runs, or give this its own cores";

export function wakeUpFinding(wakeUps: Float64Array): Finding {
  const p99 = percentile(wakeUps, 99);
  return judged("wake-ups", `${spread(wakeUps)} late`, p99 > lateS ? busyAdvice : null);
}

interface SmallLoad {
  readonly replies: readonly NetReply[];
  readonly counters: NetCounters;
}

const loadRequests = 300;
const loadGapS = 2e-3;
const patienceS = 10;

/** Requests over kept connections to a mock that answers at once. */
async function smallLoad(signal: AbortSignal): Promise<SmallLoad> {
  const shape = { ttftMs: 0.2, itlMs: 0.2, tokens: 2, perWrite: 1, lockstep: false };
  const mock = new NetMock(
    { address: "127.0.0.1", port: 0, ...shape, seed: 0, faults: {} },
    wireFormats.completions,
  );
  const client = new NetClient({
    address: "127.0.0.1",
    port: mock.port,
    threads: 1,
    keepAlive: true,
    maxInFlight: Infinity,
    sendForMs: Infinity,
    timeoutMs: patienceS * 1000,
    textPath: "choices.0.text",
  });
  try {
    const headers = [["Content-Type", "application/json"]] as const;
    const body = JSON.stringify({ model: "mock", max_tokens: shape.tokens, stream: true });
    const bytes = postBytes(`127.0.0.1:${mock.port}`, "/v1/completions", headers, body);
    for (let i = 0; i < loadRequests; i++) client.submit(i, bytes, 0.01 + i * loadGapS);
    client.start();
    const replies: NetReply[] = [];
    while (replies.length < loadRequests) {
      signal.throwIfAborted();
      const reply = client.take();
      if (reply === null) await sleep(5);
      else if (reply.outcome === "success") replies.push(reply);
      else throw new Error(`a request to the mock server failed: ${reply.outcome} ${reply.reason}`);
    }
    return { replies, counters: client.counters() };
  } finally {
    client.close();
    mock.close();
  }
}

function loadFindings({ replies, counters }: SmallLoad): Finding[] {
  const lags = Float64Array.from(replies, ({ sentS, dueS }) => sentS - dueS);
  // The first send over a connection holds its making.
  const kept = replies.filter(({ connectedS }) => Number.isNaN(connectedS));
  const sends = Float64Array.from(kept, ({ writtenS, sentS }) => writtenS - sentS);
  const late = percentile(lags, 99) > lateS;
  return [
    judged("sends of bench", `${spread(lags)} late`, late ? busyAdvice : null),
    ok("a send over loopback", sends.length === 0 ? "not measured" : `takes ${spread(sends)}`),
    stampFinding(counters),
  ];
}

/** A stamp of the kernel's is as old as the bytes; without one the time of reading stands for it. */
function stampFinding({ waitS, lateS: { p50 } }: NetCounters): Finding {
  const works = p50 < waitS.p50 || waitS.p50 === 0;
  if (works) return ok("kernel time stamps", "of what arrives: they work");
  const advice =
    "arrivals are stamped when they are read, so that a busy client shows in latencies; a kernel of its own (not gVisor) gives stamps";
  return warn("kernel time stamps", "missing", advice);
}

/** "p50 0.052 ms, p99 0.071 ms" */
function spread(seconds: Float64Array): string {
  const ms = (p: number): string => `p${p} ${(percentile(seconds, p) * 1000).toFixed(3)} ms`;
  return `${ms(50)}, ${ms(99)}`;
}
