/** The executable's flags about requests, and what an operator may ask of it, on the device that computes nothing. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../support/binary.ts";
import { post } from "../server/support.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-control-"));
afterAll(() => rmSync(folder, { recursive: true }));
const null_ = ["--device", "null"];
const words = (line: string) => line.split(" ");

test("flags of launch_server: intervals, cache reports, templates, and those that change nothing", async () => {
  const template = join(folder, "chat.jinja");
  writeFileSync(template, "{% for m in messages %}{{ m.content }}!{% endfor %}");
  const server = await startServer([
    ...null_,
    ...words("--stream-interval 4 --enable-cache-report --chat-template"),
    template,
    ...words("--additional-ports 1 2 --log-level-http error --show-time-cost"),
    ...words("--max-num-reqs 4 --context-length 1k --max-total-tokens 4Ki"),
  ]);
  expect(server.readyLine).toContain("4096 KV tokens");
  for (const name of ["additional-ports", "log-level-http", "show-time-cost"]) {
    expect(server.log()).toContain(`note: --${name} changes nothing:`);
  }
  const prompt = "one two three ".repeat(20);
  const body = { prompt, max_tokens: 9, ignore_eos: true };
  const streamed = await post(`${server.url}/v1/completions`, { ...body, stream: true });
  expect((await streamed.text()).match(/"index":0/g)?.length).toBeLessThanOrEqual(3);
  const cached = await (await post(`${server.url}/v1/completions`, body)).text();
  expect(cached).toMatch(/"prompt_tokens_details":\{"cached_tokens":\d+\}/);
  const flushed = await fetch(`${server.url}/flush_cache?timeout=10`);
  expect(flushed.status).toBe(200);
  const cold = await (await post(`${server.url}/v1/completions`, body)).text();
  expect(cold).toContain(`"prompt_tokens_details":null`);
  const messages = [{ role: "user", content: "Hello" }];
  const ids = await (await post(`${server.url}/tokenize`, { messages })).json();
  expect(ids).toMatchObject({ tokens: [9906, 0], count: 2, max_model_len: 1000 });
  const text = await post(`${server.url}/v1/detokenize`, { tokens: [128000, 9906, 0] });
  expect(await text.json()).toEqual({ text: "Hello!" });
  expect(await server.stop()).toBe(0);
});

test("a request is aborted by its id, and half a request does not hold up the end", async () => {
  const server = await startServer(null_);
  const sampling_params = { max_new_tokens: 5000, ignore_eos: true };
  const running = await post(`${server.url}/generate`, {
    text: "x",
    rid: "mine",
    stream: true,
    sampling_params,
  });
  const whole = running.text();
  expect((await post(`${server.url}/abort_request`, { rid: "m" })).status).toBe(200);
  const events = await whole;
  expect(events).toEndWith("data: [DONE]\n\n");
  // It may have come to its end by itself before it was asked to.
  if (!events.includes(`"type":"length"`)) expect(events).toContain(`"type":"abort"`);
  const half = connect(server.port, "127.0.0.1");
  const head =
    "POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
  await new Promise((resolve) => half.write(head, resolve));
  half.on("error", () => {});
  const closed = new Promise((resolve) => half.on("close", resolve).resume());
  expect(await server.stop()).toBe(0);
  await closed;
});

test("--skip-tokenizer-init: ids in, ids out", async () => {
  const server = await startServer(["--skip-tokenizer-init", "--max-total-tokens", "2000"]);
  const sampling_params = { max_new_tokens: 4, temperature: 0, ignore_eos: true };
  const answer = await post(`${server.url}/generate`, { input_ids: [1, 2, 3], sampling_params });
  const { output_ids: ids, ...rest } = (await answer.json()) as { output_ids: number[] };
  expect(ids).toHaveLength(4);
  expect(rest).not.toHaveProperty("text");
  expect((await post(`${server.url}/v1/completions`, { prompt: "x" })).status).toBe(400);
  expect(await server.stop()).toBe(0);
});
