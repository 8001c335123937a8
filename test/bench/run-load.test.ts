/** Proves what a whole run makes of the flags of load, prompts and server: what is sent, printed and kept. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultOptions, runBench, type BenchOptions } from "../../src/bench/index.ts";
import { UsageError, UserError } from "../../src/user-error.ts";
import { burst, response, startMock, type MockHandler, type MockServer } from "./mock/server.ts";
import { captureIo } from "./support.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-run-load-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
let server: MockServer;
afterEach(() => server?.close());

let files = 0;
async function run(
  more: Partial<BenchOptions>,
  handler: MockHandler = burst,
  pages?: (path: string) => string | undefined,
) {
  server = await startMock(handler, pages);
  const outputFile = join(folder, `${files++}.jsonl`);
  const io = captureIo();
  const { runs, exitCode } = await runBench(
    {
      ...defaultOptions,
      host: "127.0.0.1",
      port: server.port,
      datasetName: "random-ids",
      numPrompts: 4,
      randomInputLen: 8,
      randomOutputLen: 2,
      randomRangeRatio: 1,
      outputFile,
      ...more,
    },
    io,
  );
  const line = JSON.parse(
    readFileSync(outputFile, "utf8").replaceAll(/: (NaN|Infinity)/g, ': "$1"'),
  ) as Record<string, unknown>;
  return { runs, exitCode, io, line };
}
const bodies = () => server.requests.map(({ body }) => body);

describe("warm-up", () => {
  test("the first request, so many times", async () => {
    await run({ warmupRequests: 3 });
    expect(server.requests).toHaveLength(3 + 4);
    expect(new Set(bodies().slice(0, 4)).size).toBe(1);
  });

  test("none", async () => {
    const { io } = await run({ warmupRequests: 0 });
    expect(server.requests).toHaveLength(4);
    expect(io.out()).not.toContain("initial single prompt test run");
  });
});

/** Answers POST /flush_cache with these statuses in turn. */
function flushing(statuses: number[]): MockHandler {
  return (request, socket) => {
    if (request.path !== "/flush_cache") return burst(request, socket);
    const status = statuses.shift()!;
    socket.end(response(status, {}, status === 200 ? "Cache flushed.\n" : "busy"));
  };
}

describe("--flush-cache", () => {
  test("comes between the warm-up and the run, and again while the server is busy", async () => {
    await run({ flushCache: true }, flushing([400, 200]));
    const paths = server.requests.map(({ path }) => path);
    expect(paths.slice(1, 3)).toEqual(["/flush_cache", "/flush_cache"]);
    expect(paths.lastIndexOf("/flush_cache")).toBe(2);
  });

  test("a server that cannot ends the run", async () => {
    const failure = await run({ flushCache: true }, flushing([404])).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as Error).message).toContain(
      "/flush_cache answers 404 busy; leave the flag out",
    );
  });
});

/** The ids of all prompts. */
const salted = async (salt: string | null) => {
  await run({ salt, numPrompts: 3 });
  const prompts = bodies()
    .slice(1)
    .map((body) => (JSON.parse(body) as { prompt: number[] }).prompt);
  await server.close();
  return prompts;
};

describe("requests", () => {
  test("temperature and extra fields", async () => {
    await run({ temperature: 0.7, extraRequestBody: '{"top_k": 5}' });
    expect(bodies()[0]).toContain('"temperature": 0.7, ');
    expect(bodies()[0]).toEndWith('"top_k": 5}');
  });

  test("kept connections", async () => {
    const { line } = await run({ connection: "keep-alive", maxConcurrency: 1 });
    expect(line).toMatchObject({ completed: 4, connection: "keep-alive", max_concurrency: 1 });
    expect(server.connections()).toBe(3); // the model's name, the warm-up, the run
  });

  test("a salt changes every prompt and no length", async () => {
    const [plain, a, again] = [await salted(null), await salted("a"), await salted("a")];
    expect(again).toEqual(a);
    expect(a.map((ids) => ids.length)).toEqual(plain.map((ids) => ids.length));
    a.forEach((ids, i) => expect(ids).not.toEqual(plain[i]!));
  });
});

/** The bodies of two runs, warm-ups left out. */
const promptsOf = async (salt: string) => {
  const asked = { salt, multi: true, requestRateRange: "900,901", numPrompts: 2 };
  await run(asked).catch(() => {}); // the file holds two lines
  const sent = bodies();
  await server.close();
  return [sent.slice(1, 3), sent.slice(4)];
};

test("a random salt is another for each rate of --multi, a given one the same", async () => {
  const [first, second] = await promptsOf("random");
  expect(second).toHaveLength(2);
  for (const body of second!) expect(first).not.toContain(body);
  const [given, again] = await promptsOf("a");
  expect(again).toEqual(given!);
});

describe("a time to send in", () => {
  test("goes round the data set, and the line says so", async () => {
    const { runs, line, io } = await run({ duration: 0.15, maxConcurrency: 2, numPrompts: 2 });
    const { records } = runs[0]!;
    expect(records.length).toBeGreaterThan(4);
    const sent = bodies().slice(1);
    expect(new Set(sent).size).toBe(sent.length); // each round is new
    expect(line).toMatchObject({
      completed: records.length,
      planned: records.length,
      send_duration: 0.15,
      max_concurrency: 2,
      interrupted: false,
    });
    expect(io.out()).toContain("Max request concurrency:                 2         \n");
  });

  test("what is not answered after the grace counts as given up, and the rest counts", async () => {
    let requests = 0;
    const hangsLater: MockHandler = (request, socket) =>
      ++requests > 4 ? undefined : burst(request, socket);
    const { exitCode, line } = await run(
      { duration: 0.1, gracePeriod: 0.05, maxConcurrency: 2 },
      hangsLater,
    );
    expect(exitCode).toBe(0);
    expect(line).toMatchObject({ completed: 3, failed: { interrupted: 2 }, sent: 5 });
  });
});

describe("the server's own figures", () => {
  let asked = 0;
  const pages = (path: string) => {
    if (path === "/get_server_info") {
      return '{"version": "0.5", "model_path": "m", "api_key": "secret", "internal_states": []}';
    }
    if (path !== "/metrics") return undefined;
    asked++;
    return `sglang:num_running_reqs ${asked}\nsglang:prompt_tokens_total ${asked * 100}\nsglang:cached_tokens_total ${asked * 50}\n`;
  };

  test("before and after, in the line and in the table", async () => {
    asked = 0;
    const { line, io } = await run({}, burst, pages);
    expect(line["server"]).toMatchObject({
      looks: asked,
      // Over in less than the time between two looks.
      running_requests: { before: 1, min: null, mean: null, max: null, after: asked },
      queued_requests: null,
      prompt_tokens: (asked - 1) * 100,
      cache_hit_rate: 0.5,
      info: { version: "0.5", model_path: "m" },
    });
    expect(JSON.stringify(line)).not.toContain("secret");
    expect(io.out()).toContain("Server: prompt tokens from cache:        50.0 %");
    expect(io.err()).toContain("50.0 % of the prompt tokens came from the server's prefix cache");
  });

  test("are not asked for when not wanted", async () => {
    asked = 0;
    const { line } = await run({ serverMetrics: false }, burst, pages);
    expect([asked, line["server"]]).toEqual([0, undefined]);
  });

  test("a server that has none changes nothing", async () => {
    const { line, io } = await run({});
    expect(line["server"]).toBeUndefined();
    expect(io.err()).toBe("");
    expect(Object.keys(line).at(-1)).toBe("goodput");
  });

  test("a run of shared prefixes is meant to hit the cache", async () => {
    const { io } = await run(
      { datasetName: "generated-shared-prefix", gspNumGroups: 2, gspPromptsPerGroup: 2 },
      burst,
      pages,
    );
    expect(io.err()).not.toContain("came from the server's prefix cache");
    expect(server.requests).toHaveLength(1 + 4);
  });
});

describe("flags that do not go together", () => {
  test.each<[Partial<BenchOptions>, string]>([
    [{ cacheHitRatio: 0.5 }, "--cache-hit-ratio needs --dataset-name generated-shared-prefix"],
    [
      { backend: "vllm-chat", datasetName: "random-ids" },
      "--dataset-name: random-ids sends token ids",
    ],
    [
      { backend: "openai-chat", datasetName: "sharegpt", applyChatTemplate: true },
      "--apply-chat-template: with openai-chat the server does it",
    ],
    [{ applyChatTemplate: true }, "--apply-chat-template needs text"],
    [{ duration: 3 }, "--duration needs"],
  ])("%p", async (more, sentence) => {
    const failure = await run(more).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UsageError);
    expect((failure as Error).message).toStartWith(sentence);
  });

  test("ids in a file, and a backend that takes none", async () => {
    const datasetPath = join(folder, "ids.jsonl");
    writeFileSync(datasetPath, '{"prompt": [1, 2], "output_tokens": 2}\n');
    const asked = { datasetName: "custom", datasetPath } as const;
    expect((await run(asked)).line).toMatchObject({ completed: 1, total_input_tokens: 2 });
    await server.close();
    const failure = await run({ ...asked, backend: "vllm-chat" }).catch((e: unknown) => e);
    expect((failure as Error).message).toBe(
      `${datasetPath}:1 has token ids, which the vllm-chat backend does not take.`,
    );
  });
});
