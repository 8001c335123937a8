/** /abort_request ends requests by their ids; /flush_cache empties the cache of an idle server. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as fc from "fast-check";
import { alphabet, hello, post, testServer, tokens, until, type TestServer } from "./support.ts";

let server: TestServer;
beforeEach(async () => {
  server = await testServer();
  server.engine.script = tokens(hello); // one token, then silence
});
afterEach(() => server.server.close(0));

const generate = (body: object) =>
  post(`${server.url}/generate`, { text: "x", sampling_params: { max_new_tokens: 50 }, ...body });
const abort = async (body: object) => {
  const response = await post(`${server.url}/abort_request`, body);
  expect([response.status, await response.text()]).toEqual([200, ""]);
};
const started = (count: number) => until(() => server.engine.submitted.length === count);
/** The engine has answered all that runs with the token that its script holds. */
const firstTokens = async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

const asked = {
  type: "abort",
  message: "Abort in waiting queue",
  status_code: null,
  err_type: null,
};

interface Answer {
  readonly text: string;
  readonly meta_info: { readonly id: string; readonly finish_reason: object };
}

test("an aborted request answers what it has, and its id is free again", async () => {
  const answer = generate({ rid: "a" });
  await started(1);
  await firstTokens();
  await abort({ rid: "a" });
  expect(await (await answer).json()).toMatchObject({
    text: "hello",
    output_ids: [hello],
    meta_info: { id: "a", finish_reason: asked, completion_tokens: 1 },
  });
  expect(server.engine.aborted).toEqual([0]);
  server.engine.script = alphabet;
  expect((await generate({ rid: "a" })).status).toBe(200);
});

test("a request that has been admitted says Aborted", async () => {
  const { engine } = server;
  const submit = engine.submit.bind(engine);
  engine.submit = (request, sink) => {
    setImmediate(() => sink.onAdmitted(0));
    return submit(request, sink);
  };
  const answer = generate({ rid: "a" });
  await started(1);
  await firstTokens();
  await abort({ rid: "a" });
  const { meta_info } = (await (await answer).json()) as Answer;
  expect(meta_info.finish_reason).toEqual({ ...asked, message: "Aborted" });
});

test("ids match by prefix; a batch under one id ends as a whole, others go on", async () => {
  const batch = generate({ text: ["x", "y"], rid: "job" });
  const other = generate({ rid: "other" });
  await started(3);
  await abort({ rid: "jo" });
  const answers = (await (await batch).json()) as Answer[];
  expect(answers.map(({ meta_info }) => meta_info.id)).toEqual(["job_0", "job_1"]);
  expect(answers.map(({ meta_info }) => meta_info.finish_reason)).toEqual([asked, asked]);
  expect(server.engine.load().running).toBe(1);
  await abort({ abort_all: true });
  expect((await other).status).toBe(200);
});

test("no id, an empty one and a stranger's end nothing", async () => {
  const answer = generate({});
  await started(1);
  for (const body of [{}, { rid: "" }, { rid: null, abort_all: false }, { rid: "nobody" }]) {
    await abort(body);
  }
  expect(server.engine.aborted).toEqual([]);
  await abort({ rid: "", abort_all: true });
  expect((await answer).status).toBe(200);
});

test("streams get the last event and [DONE]", async () => {
  const native = generate({ rid: "a", stream: true });
  const completion = post(`${server.url}/v1/completions`, {
    prompt: "x",
    rid: "b",
    stream: true,
    n: 2,
  });
  const messages = [{ role: "user", content: "x" }];
  const chat = post(`${server.url}/v1/chat/completions`, { messages, rid: "c", stream: true });
  await started(4);
  await firstTokens();
  await abort({ abort_all: true });
  const events = (await (await native).text()).split("\n\n");
  expect(events.at(-2)).toBe("data: [DONE]");
  const last = JSON.parse(events.at(-3)!.slice("data: ".length)) as Answer;
  expect(last).toMatchObject({ text: "hello", meta_info: { finish_reason: asked } });
  for (const response of [await completion, await chat]) {
    const text = await response.text();
    expect(text).toContain(`"finish_reason":"abort","matched_stop":null`);
    expect(text).toEndWith("data: [DONE]\n\n");
  }
});

test("whole answers of the OpenAI endpoints are a 200 with finish_reason abort", async () => {
  const body = { prompt: "x", rid: "b", n: 2 };
  const answer = post(`${server.url}/v1/completions`, body);
  await started(2);
  await firstTokens();
  await abort({ rid: "b" });
  const { id, choices } = (await (await answer).json()) as { id: string; choices: object[] };
  expect(id).toBe("b");
  expect(choices).toMatchObject([
    { text: "hello", finish_reason: "abort" },
    { text: "hello", finish_reason: "abort" },
  ]);
});

test("an abort that comes while the prompt is tokenized is not lost", async () => {
  const { promise, resolve } = Promise.withResolvers<Int32Array[]>();
  const { tokenizer } = server.context;
  let asking = false;
  Object.assign(server.context, {
    tokenizer: {
      ...tokenizer,
      encodeAll: () => {
        asking = true;
        return promise;
      },
    },
  });
  const answer = generate({ rid: "a" });
  await until(() => asking);
  await abort({ rid: "a" });
  resolve([Int32Array.of(1)]);
  expect(((await (await answer).json()) as Answer).meta_info.finish_reason).toEqual(asked);
  await until(() => server.engine.load().running === 0);
});

test("a running request's id is refused, on all endpoints", async () => {
  const answer = generate({ rid: "a" });
  await started(1);
  const message = 'rid: a request with the id "a" is running; use another.';
  const again = await generate({ rid: ["b", "a"], text: ["x", "y"] });
  expect([again.status, await again.json()]).toEqual([400, { error: { message } }]);
  const openai = await post(`${server.url}/v1/completions`, { prompt: "x", rid: "a" });
  expect([openai.status, await openai.json()]).toMatchObject([400, { message }]);
  // The refused batch holds none of its ids.
  const free = generate({ rid: "b" });
  await started(2);
  await abort({ abort_all: true });
  expect([(await answer).status, (await free).status]).toEqual([200, 200]);
});

test("ids are free after refusals, after clients that left, and after the engine's faults", async () => {
  expect((await generate({ rid: "a", text: "" })).status).toBe(400);
  expect((await generate({ rid: "a", input_ids: [9999] })).status).toBe(400);
  const leave = new AbortController();
  const left = post(
    `${server.url}/generate`,
    { text: "x", rid: "a", stream: true },
    { signal: leave.signal },
  );
  await (await left).body!.getReader().read();
  leave.abort();
  await until(() => server.engine.aborted.length === 1);
  server.engine.script = tokens({ abort: "a test" });
  expect((await generate({ rid: "a" })).status).toBe(500);
  server.engine.script = alphabet;
  expect((await generate({ rid: "a" })).status).toBe(200);
});

type Move = "whole" | "stream" | "batch" | "leave" | "abort" | "abort all" | "fault";
const moves: Move[] = ["whole", "stream", "batch", "leave", "abort", "abort all", "fault"];

/** Makes a request, or ends some; resolves when its client has its answer. */
async function play(move: Move, rid: string): Promise<void> {
  if (move === "abort") return abort({ rid });
  if (move === "abort all") return abort({ abort_all: true });
  if (move === "fault") {
    server.engine.script = tokens({ abort: "a test" });
    return;
  }
  server.engine.script = rid < "5" ? tokens(hello) : alphabet;
  const leave = new AbortController();
  const text = move === "batch" ? ["x", "y"] : "x";
  const body = { text, rid, stream: move === "stream", sampling_params: { max_new_tokens: 50 } };
  const answer = post(`${server.url}/generate`, body, { signal: leave.signal });
  if (move === "leave") setTimeout(() => leave.abort(), 3);
  await answer.then((response) => response.text()).catch(() => {});
}

test("whatever comes and goes, every client is answered and every id is free in the end", async () => {
  const plays = fc.array(fc.tuple(fc.constantFrom(...moves), fc.nat(9)), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(plays, async (list) => {
      const playing = list.map(([move, id]) => play(move, String(id)));
      await new Promise((resolve) => setTimeout(resolve, 5));
      // A request that is still being read when all are aborted would go on for ever.
      const ending = setInterval(() => void abort({ abort_all: true }), 2);
      await Promise.all(playing);
      clearInterval(ending);
      await until(() => server.engine.load().running === 0);
      server.engine.script = alphabet;
      for (let id = 0; id < 10; id++) {
        const again = await generate({ rid: String(id), text: ["x", "y"] });
        expect(again.status).toBe(200);
      }
    }),
    { numRuns: 30, seed: 7 },
  );
});

const flush = async (query = "", method = "POST") => {
  const response = await fetch(`${server.url}/flush_cache${query}`, { method });
  return { status: response.status, text: await response.text() };
};

test("an idle server flushes, by GET or POST", async () => {
  const text =
    "Cache flushed.\nPlease check backend logs for more details. " +
    "(When there are running or waiting requests, the operation will not be performed.)\n";
  expect(await flush()).toEqual({ status: 200, text });
  expect(await flush("?timeout=1.5", "GET")).toEqual({ status: 200, text });
});

test("a busy server says no, or waits for as long as it is asked to", async () => {
  const answer = generate({ rid: "a" });
  await started(1);
  expect((await flush()).status).toBe(400);
  expect((await flush("?timeout=0.03")).status).toBe(400);
  const waiting = flush("?timeout=60");
  await abort({ rid: "a" });
  expect((await waiting).status).toBe(200);
  expect((await answer).status).toBe(200);
  for (const timeout of ["-1", "x", "1e9", ""]) {
    const refused = await flush(`?timeout=${timeout}`);
    expect(refused.status, timeout).toBe(400);
    expect(refused.text).toContain("timeout: expected seconds from 0 to 3600");
  }
});
