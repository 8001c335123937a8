/** With the real engine and tokenizer: ids, text and counts agree from end to end. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Engine, startEngine } from "../../src/engine/index.ts";
import { resolveModel } from "../../src/hub/resolve.ts";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { TokenizerClient } from "../../src/tokenizer/client.ts";
import { printableIds } from "../../src/tokenizer/printable.ts";
import { loadTokenBytes } from "../../src/tokenizer/source.ts";
import { post, testContext, until } from "./support.ts";

let engine: Engine;
let tokenizer: TokenizerClient;
let server: RunningServer;
let url: string;

beforeAll(async () => {
  const model = await resolveModel("preset:tiny");
  const drawableIds = printableIds(loadTokenBytes(model.tokenizer));
  [engine, tokenizer] = await Promise.all([
    startEngine(
      { config: model.config, weights: { kind: "dummy" } },
      { device: "cpu", dtype: "auto", drawableIds, maxTotalTokens: 16_384 },
    ),
    TokenizerClient.start(model.tokenizer),
  ]);
  const context = { ...testContext(engine), tokenizer };
  server = await startServer(context, { host: "127.0.0.1", port: 0 });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close(0);
  await Promise.all([engine.close(), tokenizer.close()]);
});

const greedy = { temperature: 0, ignore_eos: true, max_tokens: 24 };

async function complete(body: object) {
  const response = await post(`${url}/v1/completions`, { ...greedy, ...body });
  expect(response.status).toBe(200);
  return response;
}

async function choices(body: object): Promise<{ text: string }[]> {
  return ((await (await complete(body)).json()) as { choices: { text: string }[] }).choices;
}

async function streamed(body: object): Promise<string> {
  const text = await (await complete({ ...body, stream: true })).text();
  return text.replace(/"id":"\w+",|"created":\d+,/g, "");
}

test("streamed and whole answers are the same text; every token is an event", async () => {
  const prompt = "The capital of France is";
  const whole = await (await complete({ prompt })).json();
  const deltas = [...(await streamed({ prompt })).matchAll(/"text":("(?:[^"\\]|\\.)*")/g)].map(
    (m) => JSON.parse(m[1]!),
  );
  expect(deltas.join("")).toBe((whole as { choices: { text: string }[] }).choices[0]!.text);
  expect(deltas.length).toBe(24);
  expect((whole as { usage: object }).usage).toMatchObject({
    prompt_tokens: 6,
    completion_tokens: 24,
  });
});

test("text and ids are the same prompt; seeds repeat", async () => {
  const text = "Hello, wörld! 😀";
  const ids = Array.from(await tokenizer.encode(text));
  expect(await choices({ prompt: text })).toEqual(await choices({ prompt: ids }));
  const sampled = { prompt: text, temperature: 1, seed: 5 };
  expect(await choices(sampled)).toEqual(await choices(sampled));
  const [first, second] = await choices({ ...sampled, n: 2 });
  expect(second!.text).not.toBe(first!.text);
});

test("/generate: logprobs of prompt and output, of greedy tokens the highest", async () => {
  const body = {
    text: "one two three",
    return_logprob: true,
    logprob_start_len: 0,
    top_logprobs_num: 2,
    sampling_params: { temperature: 0, max_new_tokens: 5, ignore_eos: true },
  };
  const { output_ids: ids, meta_info: info } = (await (
    await post(`${url}/generate`, body)
  ).json()) as {
    output_ids: number[];
    meta_info: Record<string, [number | null, number, null][]> & {
      output_top_logprobs: [number, number, null][][];
    };
  };
  const prompt = Array.from(await tokenizer.encode(body.text));
  expect(info["input_token_logprobs"]!.map(([, id]) => id)).toEqual(prompt);
  expect(info["input_token_logprobs"]!.map(([logprob]) => logprob === null)).toEqual(
    prompt.map((_, i) => i === 0),
  );
  expect(info["output_token_logprobs"]!.map(([, id]) => id)).toEqual(ids);
  expect(info.output_top_logprobs.map(([top]) => top![1])).toEqual(ids);
});

test("/generate: logprobs of tokens by name are those of the alternatives", async () => {
  const body = {
    text: "one two three",
    return_logprob: true,
    logprob_start_len: 1,
    top_logprobs_num: 3,
    sampling_params: { temperature: 0, max_new_tokens: 5, ignore_eos: true },
  };
  const ask = async (more: object) => {
    const response = await post(`${url}/generate`, { ...body, ...more });
    return ((await response.json()) as { meta_info: Record<string, [number, number][][]> })
      .meta_info;
  };
  const top = await ask({});
  for (const side of ["input", "output"]) {
    const wanted = top[`${side}_top_logprobs`]!;
    const ids = [...new Set(wanted.flat().map(([, id]) => id))];
    const asked = (await ask({ token_ids_logprob: ids }))[`${side}_token_ids_logprobs`]!;
    wanted.forEach((alternatives, i) => {
      expect(asked[i]!.map(([, id]) => id)).toEqual(ids);
      for (const alternative of alternatives) expect(asked[i]!).toContainEqual(alternative);
    });
  }
});

test("chat goes through the model's template, with one BOS", async () => {
  const messages = [{ role: "user", content: "Hi" }];
  const response = await post(`${url}/v1/chat/completions`, {
    messages,
    max_tokens: 3,
    temperature: 0,
  });
  const { usage } = (await response.json()) as { usage: { prompt_tokens: number } };
  const text = await tokenizer.applyChatTemplate(messages, true);
  expect(text).toStartWith("<|begin_of_text|>");
  const ids = await tokenizer.encode(text, { addSpecialTokens: false });
  expect(usage.prompt_tokens).toBe(ids.length);
  expect(ids.filter((id) => id === tokenizer.facts.bosId).length).toBe(1);
});

/** Ids that /generate answers with, greedily. */
async function idsOf(params: object): Promise<number[]> {
  const sampling_params = { temperature: 0, ignore_eos: true, max_new_tokens: 24, ...params };
  const response = await post(`${url}/generate`, { text: "Once upon a time", sampling_params });
  expect(response.status).toBe(200);
  return ((await response.json()) as { output_ids: number[] }).output_ids;
}

test("logit_bias forces and forbids tokens", async () => {
  const plain = await idsOf({});
  const forced = await idsOf({ logit_bias: { "1234": 1e6 } });
  expect(forced).toEqual(Array(24).fill(1234));
  const forbidden = Object.fromEntries(plain.map((id) => [id, -1e6]));
  const others = await idsOf({ logit_bias: forbidden });
  expect(others.filter((id) => plain.includes(id))).toEqual([]);
});

test("penalties: a token that is biased to lead gives way when they have eaten its lead", async () => {
  const seen = async (lead: number, params: object) => {
    const logit_bias = { "1234": 1e4 + lead, "5678": 1e4 };
    return new Set(await idsOf({ logit_bias, ...params }));
  };
  const [first, both] = [new Set([1234]), new Set([1234, 5678])];
  expect(await seen(20, {})).toEqual(first);
  expect(await seen(20, { presence_penalty: 2 }), "subtracted once").toEqual(first);
  expect(await seen(20, { frequency_penalty: 2 }), "subtracted each time").toEqual(both);
  const plain = await idsOf({});
  for (const penalty of ["presence_penalty", "frequency_penalty", "repetition_penalty"]) {
    expect(await idsOf({ [penalty]: 2 }), penalty).not.toEqual(plain);
  }
});

test("min_new_tokens keeps stop tokens away; then they stop", async () => {
  const [first] = await idsOf({});
  const stopping = { stop_token_ids: [first], ignore_eos: false };
  expect(await idsOf(stopping)).toEqual([first!]);
  const later = await idsOf({ ...stopping, min_new_tokens: 5, logit_bias: { [first!]: 1e6 } });
  expect(later.length).toBe(6);
  expect(later.indexOf(first!)).toBe(5);
});

const adjusted = (i: number) => ({
  temperature: i % 2,
  sampling_seed: i,
  frequency_penalty: (i % 5) / 4,
  presence_penalty: (i % 3) / 2,
  repetition_penalty: 1 + (i % 4) / 8,
  min_new_tokens: i % 7,
  logit_bias: { [1000 + i]: 3 },
});

test("adjusted requests among 31 others give what they give alone", async () => {
  const together = await Promise.all(Array.from({ length: 32 }, (_, i) => idsOf(adjusted(i))));
  for (const i of [0, 1, 14, 31]) expect(together[i]!).toEqual(await idsOf(adjusted(i)));
});

const number = (i: number) => ({ prompt: `Number ${i}:` });

test("40 requests at once equal the same requests alone", async () => {
  const together = await Promise.all(Array.from({ length: 40 }, (_, i) => streamed(number(i))));
  for (const i of [0, 17, 39]) expect(together[i]!).toBe(await streamed(number(i)));
});

test("a client that leaves frees its pages", async () => {
  const leave = new AbortController();
  const body = { ...greedy, prompt: "x", max_tokens: 8000, stream: true };
  const response = await post(`${url}/v1/completions`, body, { signal: leave.signal });
  await response.body!.getReader().read();
  expect(engine.load().running).toBe(1);
  leave.abort();
  await until(() => engine.load().running === 0);
});
