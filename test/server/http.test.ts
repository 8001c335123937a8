/** Connections: who may ask, who has left, who does not read, and how the server ends. */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { alphabet, hello, post, testServer, tokens, until } from "./support.ts";

const completion = "/v1/completions";
const endless = { prompt: "x", max_tokens: 100, stream: true };

test("/health follows the server's phase; nothing is generated before it is ready", async () => {
  await using server = await testServer();
  const health = async () => (await fetch(`${server.url}/health`)).status;
  expect(await health()).toBe(200);
  server.context.phase = "starting";
  expect(await health()).toBe(503);
  const refused = await post(server.url + completion, endless);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await refused.json()).toMatchObject({ message: "The server is starting.", code: 503 });
});

test("an API key is asked for, as Bearer or X-API-Key, but not for /health", async () => {
  await using server = await testServer({ apiKey: "secret" });
  const status = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(server.url + path, { headers })).status;
  expect(await status("/v1/models", { authorization: "Bearer secret" })).toBe(200);
  expect(await status("/v1/models", { "x-api-key": "secret" })).toBe(200);
  expect(await status("/health")).toBe(200);
  for (const headers of [
    {},
    { authorization: "Bearer wrong" },
    { authorization: "secret" },
    { "x-api-key": "" },
  ]) {
    expect(await status("/v1/models", headers as Record<string, string>)).toBe(401);
  }
  const refused = await post(server.url + completion, endless);
  expect([refused.status, await refused.text()]).toEqual([401, `{"error":"Unauthorized"}`]);
  expect(server.engine.submitted).toEqual([]);
});

test("a full queue turns requests away with 503", async () => {
  await using server = await testServer({ queueLimit: 2 });
  server.engine.waiting = 2;
  const refused = await post(server.url + completion, endless);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await refused.text()).toBe(
    `{"object":"error","message":"The request queue is full.","type":"503","param":null,"code":503}`,
  );
  expect(server.logged).toEqual(["warning: turned a request away: The request queue is full."]);
  server.engine.waiting = 1;
  expect((await post(server.url + completion, { prompt: "x" })).status).toBe(200);
});

test("300 streams at once each get their own text", async () => {
  await using server = await testServer();
  server.engine.script = ({ promptIds }, step) => promptIds[1 + (step % (promptIds.length - 1))]!;
  const ask = async (i: number) => {
    const prompt = `<${i}>`;
    const body = { prompt, stream: true, max_tokens: 2 * prompt.length };
    const text = await (await post(server.url + completion, body)).text();
    const deltas = [...text.matchAll(/"text":"(.)"/g)].map((match) => match[1]);
    expect(deltas.join("")).toBe(prompt + prompt);
  };
  await Promise.all(Array.from({ length: 300 }, (_, i) => ask(i)));
  expect(server.engine.load().running).toBe(0);
});

test("a client that leaves aborts its request, and only its own", async () => {
  await using server = await testServer();
  const { engine } = server;
  engine.script = tokens(hello); // one token, then silence
  for (const [path, body] of [
    [completion, endless],
    [completion, { ...endless, stream: false }],
    ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }], stream: true }],
    ["/generate", { text: ["x", "y"], stream: true }],
    ["/generate", { text: "x" }],
  ] as const) {
    const before = engine.submitted.length;
    const leave = new AbortController();
    const asking = post(server.url + path, body, { signal: leave.signal });
    if ("stream" in body && body.stream) {
      const reader = (await asking).body!.getReader();
      await reader.read();
    } else asking.catch(() => {});
    await until(() => engine.submitted.length > before);
    leave.abort();
    const expected = Array.from(engine.submitted.keys()).slice(before);
    await until(() => expected.every((id) => engine.aborted.includes(id)));
    await until(() => engine.load().running === 0);
  }
  engine.script = alphabet;
  expect((await post(server.url + completion, { prompt: "x" })).status).toBe(200);
  expect(server.logged.length).toBe(5);
  for (const line of server.logged) {
    expect(line).toMatch(
      /^info: the client has gone: aborted [12] of [12] generations after \d+ tokens$/,
    );
  }
});

test("a client that leaves within its body is no fault of the server", async () => {
  await using server = await testServer();
  for (const framing of ["content-length: 500", "transfer-encoding: chunked"]) {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const head = `POST ${completion} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}\r\n\r\n`;
    await new Promise((resolve) => socket.write(`${head}5\r\n{"pro\r\n`, resolve));
    socket.end();
    await new Promise((resolve) => socket.on("close", resolve).resume());
  }
  expect((await post(server.url + completion, { prompt: "x" })).status).toBe(200);
  expect(server.logged).toEqual([]);
});

test("a client that does not read is dropped and its request aborted", async () => {
  await using server = await testServer();
  const { engine } = server;
  engine.limits = { ...engine.limits, contextLength: 2000, maxTotalTokens: 2000 };
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.pause();
  socket.on("error", () => {}); // the server may reset it
  // Each event repeats the model's name, so that few tokens fill every buffer on the way.
  const body = JSON.stringify({ ...endless, model: "m".repeat(100_000), max_tokens: 1000 });
  socket.write(
    `POST ${completion} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await until(() => engine.aborted.length > 0);
  expect(engine.load().running).toBe(0);
  expect(server.logged).toEqual([
    expect.stringMatching(/^warning: the client reads too slowly and was dropped: aborted 1 of 1/),
  ]);
  socket.destroy();
  expect((await post(server.url + completion, { prompt: "x" })).status).toBe(200);
});

test("a burst of events from one step is not taken for a client that does not read", async () => {
  await using server = await testServer();
  // 128 choices that end at once, each event with the model's name: 12.8 MB.
  const body = { ...endless, n: 128, max_tokens: 1, model: "m".repeat(100_000) };
  const text = await (await post(server.url + completion, body)).text();
  expect(text.length).toBeGreaterThan(12_800_000);
  expect(text).toEndWith("data: [DONE]\n\n");
});

test("when the engine dies, what runs ends with an error and nothing more is taken", async () => {
  await using server = await testServer();
  const { engine } = server;
  engine.script = tokens(hello); // one token, then silence
  const streamed = post(server.url + completion, endless);
  const whole = post(server.url + completion, { ...endless, stream: false });
  await until(() => engine.submitted.length === 2);
  engine.die("The engine's thread failed: a test");
  expect((await whole).status).toBe(500);
  expect(await (await whole).json()).toMatchObject({
    message: "The engine's thread failed: a test",
  });
  expect(await (await streamed).text()).toEndWith(
    'data: {"error":{"object":"error","message":"The engine\'s thread failed: a test",' +
      '"type":"INTERNAL_SERVER_ERROR","param":null,"code":500}}\n\ndata: [DONE]\n\n',
  );
  expect((await fetch(`${server.url}/health`)).status).toBe(503);
  expect((await post(server.url + completion, endless)).status).toBe(503);
});

/** A connection that has sent `text`. */
async function sent(url: string, text: string) {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  let received = "";
  socket.on("data", (bytes) => (received += String(bytes)));
  socket.on("error", () => {}); // the server may reset it
  const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(received)));
  await new Promise((resolve) => socket.write(text, resolve));
  return { closed, destroy: () => socket.destroy() };
}
const head = `POST ${completion} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
const halves = [
  `${head}content-length: 500\r\n\r\n{"pro`,
  `${head}transfer-encoding: chunked\r\n\r\n5\r\n{"pro\r\n`,
  head,
];

test("close does not wait for requests that have not arrived whole", async () => {
  const server = await testServer();
  const { engine } = server;
  let go = false;
  engine.script = (request, step) => (go || step === 0 ? alphabet(request, step) : "wait");
  const running = await post(server.url + completion, { ...endless, max_tokens: 3 });
  const connections = await Promise.all(halves.map((half) => sent(server.url, half)));
  await until(() => engine.submitted.length === 1);
  // Far longer than the test may take: only what is whole is waited for.
  const closed = server.server.close(3_600_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  go = true;
  expect(await running.text()).toEndWith("data: [DONE]\n\n");
  await closed;
  for (const connection of connections) await connection.closed;
  expect(server.logged).toEqual([]);
});

test("a body that stalls is answered with 408 and its connection closed", async () => {
  await using server = await testServer({ bodyStallMs: 50 });
  for (const half of halves.slice(0, 2)) {
    const connection = await sent(server.url, half);
    const answer = await connection.closed;
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(answer).toContain("No more of the body came for 0.05 s.");
  }
  // A large body that keeps coming may take longer than that in all.
  const fields = JSON.stringify({ prompt: "x", max_tokens: 1 });
  const body = fields + " ".repeat(100_000 - fields.length);
  const slow = connect(Number(new URL(server.url).port), "127.0.0.1");
  const answered = new Promise<string>((resolve) =>
    slow.once("data", (bytes) => resolve(String(bytes))),
  );
  slow.write(`${head}content-length: ${body.length}\r\n\r\n`);
  for (let i = 0; i < body.length; i += 4000) {
    slow.write(body.slice(i, i + 4000));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(await answered).toStartWith("HTTP/1.1 200 ");
  slow.destroy();
  expect(server.logged).toEqual([]);
});

test("close lets running requests end, then turns to force", async () => {
  const server = await testServer();
  const { engine } = server;
  let go = false;
  engine.script = (request, step) => (go || step === 0 ? alphabet(request, step) : "wait");
  const running = await post(server.url + completion, { ...endless, max_tokens: 3 });
  await until(() => engine.submitted.length === 1);
  const closed = server.server.close(60_000);
  go = true;
  expect(await running.text()).toEndWith("data: [DONE]\n\n");
  await closed;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();

  const second = await testServer();
  second.engine.script = () => "wait";
  const cut = post(second.url + completion, { ...endless, stream: false }).catch(() => "cut");
  await until(() => second.engine.submitted.length === 1);
  await second.server.close(10);
  expect(await cut).toBe("cut");
  await until(() => second.engine.aborted.length === 1);
});
