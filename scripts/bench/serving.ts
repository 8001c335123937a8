/**
 * What the built server does under load, beside what it is to do; a table in Markdown on standard output.
 *
 *   scripts/bench/serving [--tests LIST] [--seconds N] [--scale S]
 *
 * LIST: cache,chunked,retraction,burst,queue,streams,host (all of them if not given). --seconds is how long the streams
 * run; --scale is the share of the 3,000 requests that the CPU gets in `burst` (the null device gets all). Progress goes
 * to standard error; exit code 3 if a bar was missed.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseJson } from "../../src/bench/python-values.ts";
import { median } from "../../src/bench/statistics.ts";
import { startEngine, type Engine, type EngineTotals } from "../../src/engine/index.ts";
import { resolveModel } from "../../src/hub/resolve.ts";
import { run, startServer, type RunningServer } from "../../test/support/binary.ts";
import { AcceptWatch } from "./accept-watch.ts";
import { Dice } from "./chaos-clients/dice.ts";
import { header } from "./report.ts";
import { metrics, mib, processFigures } from "./server-process.ts";
import { gapsOf, timedGenerate, type TimedReply } from "./timed-request.ts";

const { values } = parseArgs({
  options: {
    tests: { type: "string", default: "cache,chunked,retraction,burst,queue,streams,host" },
    seconds: { type: "string", default: "300" },
    scale: { type: "string", default: "1" },
  },
});

interface Row {
  readonly what: string;
  readonly measured: string;
  readonly bar: string;
  /** Null: there is no bar. */
  readonly met: boolean | null;
}

const dice = new Dice(11);
const ids = (count: number) => Array.from({ length: count }, () => dice.integer(0, 127_999));
const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const share = (sorted: readonly number[], part: number) =>
  sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)]!;
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const times = (sorted: readonly number[]) =>
  [share(sorted, 0.5), share(sorted, 0.99), sorted.at(-1)!].map((ms) => ms.toFixed(0)).join("/");
const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const ttftMs = ({ eventMs, startMs }: TimedReply) => (eventMs[0] ?? NaN) - startMs;

async function withServer<T>(flags: string, body: (server: RunningServer) => Promise<T>) {
  console.error(`serve ${flags}`);
  const server = await startServer(flags.split(" "));
  try {
    return await body(server);
  } finally {
    await server.stop();
  }
}

interface Meta {
  readonly output_ids: readonly number[];
  readonly meta_info: { readonly cached_tokens: number };
}

function generate(server: RunningServer, prompt: readonly number[], length: number, more = {}) {
  const sampling_params = { max_new_tokens: length, ignore_eos: true, temperature: 0, ...more };
  return timedGenerate(server.port, { input_ids: prompt, sampling_params });
}

const idsOf = (answers: readonly Meta[]) => answers.map((a) => a.output_ids.join()).join("\n");

/** Equal prompts of 2,000 tokens, one after the other. */
async function cache(): Promise<Row[]> {
  const ratios: number[] = [];
  const cached: number[] = [];
  let same = true;
  await withServer("--model-path preset:tiny --max-total-tokens 65536", async (server) => {
    await generate(server, ids(2000), 2).reply; // the first request of a process is slow
    for (let pair = 0; pair < 7; pair++) {
      const prompt = ids(2000);
      const first = await generate(server, prompt, 8).reply;
      const second = await generate(server, prompt, 8).reply;
      ratios.push(ttftMs(second) / ttftMs(first));
      cached.push((second.lastEvent as Meta).meta_info.cached_tokens);
      const [a, b] = [first, second].map((reply) => (reply.lastEvent as Meta).output_ids.join());
      same &&= a === b;
    }
  });
  const ratio = median(ratios);
  return [
    {
      what: "TTFT of the second of two equal 2,000-token prompts by the first's, median of 7",
      measured: ratio.toFixed(3),
      bar: "<= 0.3",
      met: ratio <= 0.3,
    },
    {
      what: "its cached tokens; all tokens of both alike",
      measured: `${Math.min(...cached)}; ${same ? "yes" : "no"}`,
      bar: ">= 1984; yes",
      met: Math.min(...cached) >= 1984 && same,
    },
  ];
}

/** Streams run; then a prompt of 4,096 tokens comes. */
async function chunked(): Promise<Row[]> {
  const flags = "--model-path preset:tiny --max-total-tokens 65536 --chunked-prefill-size 256";
  return withServer(flags, async (server) => {
    await generate(server, ids(300), 4).reply;
    const chunkMs = await lastChunkMs(server);
    const results: { longest: number; usual: number }[] = [];
    for (let round = 0; round < 5; round++) {
      const running = Array.from({ length: 8 }, () => generate(server, ids(32), 400));
      await Promise.all(running.map(({ begun }) => begun));
      await sleep(500);
      const prompt = await generate(server, ids(4096), 1).reply;
      const replies = await Promise.all(running.map(({ reply }) => reply));
      const part = (from: number, to: number) =>
        replies.flatMap(({ eventMs }) => gapsOf(eventMs.filter((ms) => ms >= from && ms <= to)));
      const usual = median(part(0, prompt.startMs));
      // One event beyond the prompt's end, for the gap that began within it.
      const longest = Math.max(...part(prompt.startMs - usual, prompt.endMs + usual + chunkMs));
      results.push({ longest, usual });
    }
    const kept = results.filter(({ longest, usual }) => longest <= 3 * usual + chunkMs).length;
    const shown = results.map(({ longest, usual }) => `${longest.toFixed(0)}/${usual.toFixed(1)}`);
    return [
      {
        what: `8 streams during a 4,096-token prompt in chunks of 256, five times: longest gap/median gap before, ms (its last chunk alone: ${chunkMs.toFixed(1)})`,
        measured: shown.join(", "),
        bar: "<= 3 medians + a chunk",
        met: kept === results.length,
      },
    ];
  });
}

/** The last 256 of 4,096 prompt tokens, those before in the cache: the longest of its chunks. Median of five. */
async function lastChunkMs(server: RunningServer): Promise<number> {
  const chunks: number[] = [];
  for (let i = 0; i < 5; i++) {
    const prompt = ids(4096);
    await generate(server, prompt.slice(0, 3841), 1).reply; // what is cached is whole pages before the last token
    chunks.push(ttftMs(await generate(server, prompt, 1).reply));
  }
  return median(chunks);
}

/** 64 requests of 256 tokens in and 512 out, in a large pool and in one of 4,096 tokens. */
async function retraction(): Promise<Row[]> {
  const prompts = Array.from({ length: 64 }, () => ids(256));
  let retractions = 0;
  const askAll = (poolTokens: number) =>
    withServer(`--model-path preset:tiny --max-total-tokens ${poolTokens}`, async (server) => {
      const asked = prompts.map((prompt, i) =>
        generate(server, prompt, 512, i % 2 === 0 ? {} : { temperature: 1, sampling_seed: i }),
      );
      const replies = await Promise.all(asked.map(({ reply }) => reply));
      retractions = (await metrics(server.url)).get("sglang:num_retracted_requests_total")!;
      return replies.filter(({ complete }) => complete).map(({ lastEvent }) => lastEvent as Meta);
    });
  const large = await askAll(65_536);
  const small = await askAll(4096);
  const same = idsOf(large) === idsOf(small);
  return [
    {
      what: "64 requests of 256 in, 512 out in a pool of 4,096 tokens: completed; retractions; tokens as in a large pool",
      measured: `${small.length}; ${retractions}; ${same ? "yes" : "no"}`,
      bar: "64; > 0; yes",
      met: small.length === 64 && retractions > 0 && same,
    },
  ];
}

/** Recipe 1 at full count by the built client, then the time that each of 3,000 connections waits. */
async function burst(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [device, count] of [
    ["null", 3000],
    ["cpu", Math.round(3000 * Number(values.scale))],
  ] as const) {
    if (count === 0) continue;
    const flags = `--model-path preset:tiny --device ${device} --max-running-requests 256`;
    const result = await withServer(flags, (server) => recipe(server, count));
    rows.push({
      what: `offline recipe 1, ${count} requests at once, ${device}: failed; longest wait in the accept queue (most waiting)`,
      measured: `${count - result.completed} of ${count}; ${result.longestMs.toFixed(0)} ms (${result.mostWaiting}); ${result.seconds.toFixed(0)} s in all`,
      bar: "0; <= 500 ms",
      met: result.completed === count && result.longestMs <= 500,
    });
  }
  rows.push(await acceptance());
  return rows;
}

async function recipe(server: RunningServer, count: number) {
  const folder = mkdtempSync(join(tmpdir(), "servebench-serving-"));
  const file = join(folder, "result.jsonl");
  const load = `--num-prompts ${count} --random-input 1024 --random-output 1024 --random-range-ratio 0.5`;
  const line = `bench --backend sglang --port ${server.port} --dataset-name random ${load} --disable-tqdm --output-file ${file}`;
  const watch = new AcceptWatch(server.port);
  const ended = await run(line.split(" "));
  const waits = await watch.stop();
  if (ended.code !== 0)
    throw new Error(`servebench bench ended with ${ended.code}:\n${ended.stderr}`);
  const result = parseJson(readFileSync(file, "utf8")) as Record<string, number>;
  rmSync(folder, { recursive: true });
  return { completed: result["completed"]!, seconds: result["duration"]!, ...waits };
}

/** 3,000 connections of our own, prompts as ids: connected, and the head of the response there. */
async function acceptance(): Promise<Row> {
  const flags = "--model-path preset:tiny --max-running-requests 256";
  return withServer(flags, async (server) => {
    await generate(server, ids(64), 4).reply;
    const watch = new AcceptWatch(server.port);
    const asked = Array.from({ length: 3000 }, () => generate(server, ids(64), 16));
    const replies = await Promise.all(asked.map(({ reply }) => reply));
    const { longestMs, mostWaiting } = await watch.stop();
    const connect = ascending(replies.map(({ startMs, connectedMs }) => connectedMs - startMs));
    const head = ascending(replies.map(({ connectedMs, headMs }) => headMs - connectedMs));
    const failed = replies.filter(({ complete }) => !complete).length;
    return {
      what: "3,000 streams of 64 in, 16 out at once, cpu, own client: failed; connect, then head of the response, p50/p99/max ms; longest wait in the accept queue",
      measured: `${failed}; ${times(connect)}; ${times(head)}; ${longestMs.toFixed(0)} ms (${mostWaiting})`,
      bar: "0; accepted <= 500 ms",
      met: failed === 0 && longestMs <= 500,
    };
  });
}

/** One request runs, 16 times over; two wait behind it for over a minute, one streamed and one not. */
async function queue(): Promise<Row[]> {
  const flags = "--model-path preset:tiny --max-running-requests 1 --max-total-tokens 16384";
  return withServer(flags, async (server) => {
    const hog = generate(server, ids(16), 8000, { n: 16 });
    await hog.begun;
    const begunMs = performance.now();
    const streamed = generate(server, ids(16), 8).reply;
    const whole = fetch(`${server.url}/generate`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ input_ids: ids(16), sampling_params: { max_new_tokens: 8 } }),
    }).then((response) => response.status);
    await sleep(65_000);
    hog.cancel();
    const { complete } = await streamed;
    const status = await whole;
    const waitedS = (performance.now() - begunMs) / 1000;
    return [
      {
        what: "two requests, one streamed, that wait in the queue for over 60 s",
        measured: `${complete && status === 200 ? "complete" : "lost"} after ${waitedS.toFixed(0)} s`,
        bar: "complete",
        met: complete && status === 200 && waitedS > 60,
      },
    ];
  });
}

/** Until the heap of the server's runtime has the size that this load takes. */
const warmUpS = 180;

/** 512 streams at any time, memory every 5 s. The null device makes the most of what host memory could be lost to. */
async function streams(): Promise<Row[]> {
  const flags =
    "--model-path preset:tiny --device null --max-running-requests 512 --max-total-tokens 262144";
  return withServer(flags, async (server) => {
    const seconds = Number(values.seconds);
    const endMs = performance.now() + 1000 * (warmUpS + seconds);
    let completed = 0;
    let failed = 0;
    const keepAsking = async () => {
      while (performance.now() < endMs) {
        const request = generate(server, ids(dice.integer(16, 128)), dice.integer(32, 256), {
          temperature: 1,
        });
        const { complete } = await request.reply;
        if (complete) completed++;
        else failed++;
      }
    };
    const clients = Array.from({ length: 512 }, () => keepAsking());
    const rss: number[] = [];
    await sleep(1000 * warmUpS);
    for (let s = 0; s < seconds; s += 5) {
      await sleep(5000);
      rss.push(processFigures(server.pid).rssBytes);
      if (s % 60 === 0)
        console.error(`${s} s: RSS ${mib(rss.at(-1)!)} MiB, ${completed} completed`);
    }
    await Promise.all(clients);
    const perMinute = Math.min(12, Math.ceil(rss.length / 3));
    const [first, last] = [mean(rss.slice(0, perMinute)), mean(rss.slice(-perMinute))];
    const flat = last <= 1.05 * first;
    return [
      {
        what: `512 streams for ${seconds} s after ${warmUpS} s, null device: completed; failed; RSS of first and last minute, MiB; slope of the second half, MiB a minute`,
        measured: `${completed}; ${failed}; ${mib(first)}, ${mib(last)}; ${((slope(rss.slice(rss.length / 2)) * 12) / 2 ** 20).toFixed(1)}`,
        bar: "0 failed; last <= 1.05 first",
        met: failed === 0 && flat,
      },
    ];
  });
}

/** Of the line through the values, a step of one apart. */
function slope(numbers: readonly number[]): number {
  const n = numbers.length;
  const meanX = (n - 1) / 2;
  const meanY = mean(numbers);
  let xy = 0;
  let xx = 0;
  numbers.forEach((y, x) => {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
  });
  return xy / xx;
}

const penalties = {
  frequencyPenalty: 0.5,
  presencePenalty: 0.1,
  repetitionPenalty: 1.1,
  logitBias: [],
  minNewTokens: 0,
  blockedTokenIds: [],
};

/** The server with 256 streams, then the engine without HTTP, so that the time is that of its own thread alone. */
async function host(): Promise<Row[]> {
  const rows = [await hostOfServer()];
  for (const device of ["null", "cpu"] as const) {
    for (const adjustments of [null, penalties]) {
      const tokens = device === "null" ? 1000 : 200;
      const idleUs = await idlePerStep(device, adjustments, tokens);
      rows.push({
        what: `host time per step between tickets, 256 running requests, ${device} device, ${adjustments ? "penalties on all" : "plain"}, tokens ${tokens / 10} to ${tokens}`,
        measured: `${(idleUs / 1000).toFixed(2)} ms`,
        bar: "< 1 ms",
        met: idleUs < 1000,
      });
    }
  }
  return rows;
}

async function hostOfServer(): Promise<Row> {
  const flags = "--model-path preset:tiny --max-running-requests 256";
  return withServer(flags, async (server) => {
    const running = Array.from({ length: 256 }, () => generate(server, ids(32), 200));
    await Promise.all(running.map(({ begun }) => begun));
    await sleep(2000);
    const info = (await (await fetch(`${server.url}/get_server_info`)).json()) as {
      internal_states: [{ num_running_reqs: number; host_time_per_step_us: { recent: number } }];
    };
    for (const { cancel } of running) cancel();
    const [{ num_running_reqs: count, host_time_per_step_us: us }] = info.internal_states;
    return {
      what: "host time per step as /get_server_info says it, cpu: running requests; recent",
      measured: `${count}; ${(us.recent / 1000).toFixed(2)} ms`,
      bar: "256; < 1 ms",
      met: count === 256 && us.recent < 1000,
    };
  });
}

async function idlePerStep(
  device: "null" | "cpu",
  adjustments: typeof penalties | null,
  tokens: number,
): Promise<number> {
  const model = await resolveModel("preset:tiny");
  const options = { maxRunning: 256, maxTotalTokens: 256 * (tokens + 64) };
  const engine = await startEngine(model, { device, dtype: "auto", drawableIds: null, ...options });
  const at: EngineTotals[] = [];
  const requests = Array.from({ length: 256 }, (_, i) =>
    generateIn(engine, i, tokens, adjustments, (count) => {
      if (i === 0 && [tokens / 10, tokens - 5].includes(count)) at.push(engine.load().totals);
    }),
  );
  await Promise.all(requests);
  await engine.close();
  const [from, to] = at as [EngineTotals, EngineTotals];
  return (to.idleUs - from.idleUs) / (to.steps - from.steps);
}

function generateIn(
  engine: Engine,
  seed: number,
  maxNewTokens: number,
  adjustments: typeof penalties | null,
  onToken: (count: number) => void,
): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    engine.submit(
      {
        promptIds: Int32Array.from(ids(32)),
        maxNewTokens,
        sampling: { temperature: 1, topP: 1, topK: -1, minP: 0, seed },
        stopTokenIds: [],
        logprobs: null,
        ...(adjustments && { adjustments }),
      },
      {
        onAdmitted: () => {},
        onPromptLogprobs: () => {},
        onToken: () => onToken(++count),
        onFinish: () => resolve(),
      },
    );
  });
}

const tests: Readonly<Record<string, () => Promise<Row[]>>> = {
  cache,
  chunked,
  retraction,
  burst,
  queue,
  streams,
  host,
};
const wanted = values.tests.split(",");
const unknown = wanted.find((name) => !(name in tests));
if (unknown !== undefined) {
  console.error(`--tests: ${unknown}: expected some of ${Object.keys(tests).join(",")}`);
  process.exit(2);
}
console.log(`# Serving under load\n\n${header("scripts/bench/serving")}\n`);
console.log("| what | measured | bar | met |\n|---|---|---|---|");
for (const name of wanted) {
  for (const { what, measured, bar, met } of await tests[name]!()) {
    console.log(`| ${what} | ${measured} | ${bar} | ${met ? "yes" : "**no**"} |`);
    if (!met) process.exitCode = 3;
  }
}
