/** Proves that the built executable serves a real model to the official clients, streaming and not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import OpenAI from "openai";
import { startServer, type RunningServer } from "../support/binary.ts";
import { pythonWith } from "../support/python.ts";
import { realModel } from "../support/real-model.ts";

const why = realModel.folder === null ? ` (skipped: no real model: ${realModel.reason})` : "";
const python = pythonWith("openai");

describe.skipIf(realModel.folder === null)(`a real model${why}`, () => {
  let server: RunningServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startServer(["--model-path", realModel.folder!]);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  const prompt = "The capital of France is";
  const messages = [{ role: "user" as const, content: "What is the capital of France?" }];

  test("completions, streamed or not, are the same text", async () => {
    const body = { model: "m", prompt, max_tokens: 12, temperature: 0 };
    const whole = await client.completions.create(body);
    expect(whole.choices[0]!.text).toStartWith(" Paris.");
    let streamed = "";
    for await (const { choices } of await client.completions.create({ ...body, stream: true })) {
      streamed += choices[0]!.text;
    }
    expect(streamed).toBe(whole.choices[0]!.text);
  });

  test("chat, streamed or not, is a sentence", async () => {
    const body = { model: "m", messages, max_tokens: 40, temperature: 0 };
    const { choices } = await client.chat.completions.create(body);
    expect(choices[0]!.message.content).toMatch(/Paris.*\.$/s);
    expect(choices[0]!.finish_reason).toBe("stop");
    let streamed = "";
    for await (const part of await client.chat.completions.create({ ...body, stream: true })) {
      streamed += part.choices[0]?.delta.content ?? "";
    }
    expect(streamed).toBe(choices[0]!.message.content!);
  });

  test("200 tokens arrive as a stream of events", async () => {
    const response = await fetch(`${server.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        prompt,
        max_tokens: 200,
        temperature: 0,
        stream: true,
        ignore_eos: true,
      }),
    });
    let text = "";
    let reads = 0;
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      text += decoder.decode(bytes, { stream: true });
      reads++;
    }
    expect(text.match(/^data: \{/gm)!.length).toBeGreaterThanOrEqual(150);
    expect(text).toEndWith("data: [DONE]\n\n");
    expect(reads).toBeGreaterThan(20); // not all at the end
  });

  const skip = python.python === null ? ` (skipped: ${python.why})` : "";
  test.skipIf(python.python === null)(`Python's official client${skip}`, () => {
    const { status, stdout, stderr } = spawnSync(python.python!, ["-c", pythonClient, server.url], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n")).toEqual([
      expect.stringMatching(/^Paris\./),
      "same",
      expect.stringMatching(/Paris.*\.$/),
      "same",
    ]);
    expect(status).toBe(0);
  });
});

const pythonClient = `
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
ask = dict(model="m", prompt="The capital of France is", max_tokens=12, temperature=0)
whole = client.completions.create(**ask).choices[0].text
print(whole.splitlines()[0])
streamed = "".join(c.choices[0].text for c in client.completions.create(**ask, stream=True))
print("same" if streamed == whole else streamed)
ask = dict(model="m", messages=[dict(role="user", content="What is the capital of France?")], max_tokens=40, temperature=0)
whole = client.chat.completions.create(**ask).choices[0].message.content
print(whole.splitlines()[0])
streamed = "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(**ask, stream=True))
print("same" if streamed == whole else streamed)
`;
