/** A server without a tokenizer: /generate works from ids to ids, and whatever needs text is a 400. */
import { afterAll, expect, test } from "bun:test";
import { noTokenizer } from "../../src/server/no-tokenizer.ts";
import { startServer } from "../../src/server/index.ts";
import { post, ScriptedEngine, testContext } from "./support.ts";

const context = { ...testContext(new ScriptedEngine(), { skipTokenizer: true }) };
const server = await startServer(
  { ...context, tokenizer: noTokenizer },
  { host: "127.0.0.1", port: 0 },
);
afterAll(() => server.close(0));
const ask = (path: string, body: object) => post(`http://127.0.0.1:${server.port}${path}`, body);

const params = { max_new_tokens: 2, ignore_eos: true };

test("ids in, ids out, whole and streamed", async () => {
  const answer = await ask("/generate", { input_ids: [1, 2], sampling_params: params });
  const body = (await answer.json()) as object;
  expect(body).toMatchObject({ output_ids: [97, 98], meta_info: { prompt_tokens: 2 } });
  expect(body).not.toHaveProperty("text");
  const streamed = await ask("/generate", {
    input_ids: [1],
    sampling_params: params,
    stream: true,
  });
  expect(await streamed.text()).toContain(`data: {"output_ids":[97,98],"meta_info":`);
  const logprobs = { input_ids: [1], return_logprob: true, sampling_params: params };
  expect(await (await ask("/generate", logprobs)).json()).toMatchObject({
    meta_info: { output_token_logprobs: [[expect.any(Number), 97, null], expect.any(Array)] },
  });
});

test("text is refused everywhere", async () => {
  const messages = [{ role: "user", content: "x" }];
  for (const [path, body, what] of [
    ["/generate", { text: "x" }, "text"],
    ["/generate", { input_ids: [1], sampling_params: { stop: "x" } }, "stop"],
    ["/generate", { input_ids: [1], sampling_params: { stop_regex: "x" } }, "stop_regex"],
    ["/generate", { input_ids: [1], return_text_in_logprobs: true }, "return_text_in_logprobs"],
    ["/v1/completions", { prompt: [1] }, "/v1/completions"],
    ["/v1/chat/completions", { messages }, "/v1/chat/completions"],
    ["/tokenize", { prompt: "x" }, "/tokenize"],
    ["/v1/detokenize", { tokens: [1] }, "/v1/detokenize"],
  ] as const) {
    const response = await ask(path, body);
    expect(response.status, path).toBe(400);
    expect(await response.text()).toContain(`"message":"${what} needs a tokenizer, and the server`);
  }
});
