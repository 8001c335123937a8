/** One request to a mock, over each way that there is to a server. */
import { backendOf } from "../../../src/bench/backends/index.ts";
import { collectLoad, plainLoad } from "../../../src/bench/load.ts";
import { defaultOptions, type BackendName, type BenchOptions } from "../../../src/bench/options.ts";
import type { RequestRecord } from "../../../src/bench/request.ts";
import { onceEach } from "../../../src/bench/schedule.ts";
import { requestWriter, targetOf } from "../../../src/bench/target.ts";
import { sendNative } from "../../../src/bench/transport/native.ts";
import { sendPlain } from "../../../src/bench/transport/plain.ts";

export const ways = {
  native: { send: sendNative, tls: false },
  plain: { send: sendPlain, tls: false },
  "plain, TLS": { send: sendPlain, tls: true },
} as const;
export type Way = keyof typeof ways;
export const wayNames = Object.keys(ways) as Way[];

const trust = "NODE_TLS_REJECT_UNAUTHORIZED";

/** Lets this process trust any certificate until the returned function is called. */
export function trustAny(): () => void {
  const before = process.env[trust];
  process.env[trust] = "0";
  return () => {
    if (before === undefined) delete process.env[trust];
    else process.env[trust] = before;
  };
}

/** Sends a request for 3 tokens, once or several times over, and waits for the ends. */
export async function exchange(
  way: Way,
  port: number,
  backend: BackendName,
  more: Partial<BenchOptions> = {},
  times = 1,
): Promise<readonly RequestRecord[]> {
  const { send, tls } = ways[way];
  const options: BenchOptions = {
    ...defaultOptions,
    backend,
    baseUrl: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    ...more,
  };
  const format = backendOf[backend];
  const target = targetOf(options, format);
  const write = requestWriter(target, format, "m", options);
  const request = write({ prompt: "aé", promptLen: 2, outputLen: 3 });
  const requests = Array.from({ length: times }, () => request);
  const plan = {
    ...plainLoad,
    endpoint: target.endpoint,
    schedule: onceEach(new Float64Array(times), (i) => requests[i]!),
    format: { newReader: () => format.newReader(options), textPath: format.textPath },
    keepAlive: options.connection === "keep-alive",
    maxInFlight: options.maxConcurrency ?? Infinity,
    timeoutMs: 10_000,
    signal: new AbortController().signal,
  };
  return (await collectLoad(plan, send)).records;
}
