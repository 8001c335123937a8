/**
 * Proves on the built executable what a serving engine promises: requests that have to give way end with the same
 * tokens, a short request does not wait for a long one, and a prompt that was computed is not computed again.
 */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { Dice } from "../../scripts/bench/chaos-clients/dice.ts";
import { metrics } from "../../scripts/bench/server-process.ts";
import { startServer, type RunningServer } from "../support/binary.ts";

interface Answer {
  readonly text: string;
  readonly output_ids: readonly number[];
  readonly meta_info: {
    readonly finish_reason: { readonly type: string };
    readonly cached_tokens: number;
  };
}

async function withServer(flags: string, body: (server: RunningServer) => Promise<void>) {
  const server = await startServer(["--model-path", "preset:tiny", ...flags.split(" ")]);
  try {
    await body(server);
  } finally {
    expect(await server.stop()).toBe(0);
  }
}

async function generate({ url }: RunningServer, ids: number[], params: object): Promise<Answer> {
  const response = await fetch(`${url}/generate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ input_ids: ids, sampling_params: { ignore_eos: true, ...params } }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

const dice = new Dice(7);
const randomIds = (count: number) =>
  Array.from({ length: count }, () => dice.integer(0, 128_000 - 1));

// The CPU gets fewer and shorter ones: in small batches it would take minutes.
test.each([
  { device: "null", requests: 64, input: 256, output: 512, tight: 4096 },
  { device: "cpu", requests: 32, input: 64, output: 128, tight: 1024 },
])("$device: requests in a pool for 5 of them give the texts of a pool for all", async (shape) => {
  const { device, requests, input, output, tight } = shape;
  const prompts = Array.from({ length: requests }, () => randomIds(input));
  const askAll = async (poolTokens: number) => {
    let answers: Answer[] = [];
    let retractions = NaN;
    await withServer(`--device ${device} --max-total-tokens ${poolTokens}`, async (server) => {
      const asked = prompts.map((ids, i) => {
        const drawn = i % 2 === 0 ? { temperature: 0 } : { temperature: 1, sampling_seed: i };
        return generate(server, ids, { max_new_tokens: output, ...drawn });
      });
      answers = await Promise.all(asked);
      const samples = await metrics(server.url);
      retractions = samples.get("sglang:num_retracted_requests_total")!;
      expect(samples.get("sglang:num_used_tokens")).toBe(0);
    });
    return { answers, retractions };
  };
  const { answers: inAll, retractions: needless } = await askAll(requests * (input + output));
  const { answers: inTight, retractions } = await askAll(tight);
  for (const { meta_info, output_ids } of [...inAll, ...inTight]) {
    expect(meta_info.finish_reason.type).toBe("length");
    expect(output_ids.length).toBe(output);
  }
  expect(inTight.map(({ text }) => text)).toEqual(inAll.map(({ text }) => text));
  expect(inTight.map(({ output_ids }) => output_ids)).toEqual(inAll.map((a) => a.output_ids));
  expect(new Set(inAll.map(({ text }) => text)).size).toBe(requests);
  expect([needless, retractions > 0]).toEqual([0, true]);
});

test("a request of 5 tokens ends before one of 1000 that runs already", async () => {
  await withServer("--max-total-tokens 16384", async (server) => {
    const ended: string[] = [];
    const long = generate(server, randomIds(16), { max_new_tokens: 1000 }).then(() =>
      ended.push("long"),
    );
    await generate(server, randomIds(16), { max_new_tokens: 1 }); // the long one is ahead of it
    await generate(server, randomIds(16), { max_new_tokens: 5 });
    ended.push("short");
    await long;
    expect(ended).toEqual(["short", "long"]);
  });
});

test("the second of two equal prompts of 2,000 tokens comes from the cache, with the same tokens", async () => {
  await withServer("--max-total-tokens 16384", async (server) => {
    const ids = randomIds(2000);
    const first = await generate(server, ids, { max_new_tokens: 32, temperature: 0 });
    const second = await generate(server, ids, { max_new_tokens: 32, temperature: 0 });
    expect(first.meta_info.cached_tokens).toBe(0);
    expect(second.meta_info.cached_tokens).toBeGreaterThanOrEqual(1984);
    expect(second.output_ids).toEqual(first.output_ids);
  });
});

test("a client that stops reading is dropped, and the log says so in one line", async () => {
  await withServer("--device null", async (server) => {
    const socket = connect(server.port, "127.0.0.1");
    socket.pause();
    socket.on("error", () => {}); // the server resets it
    // Each event repeats the model's name, so that few tokens fill every buffer on the way.
    const wish = { prompt: "x", max_tokens: 1000, ignore_eos: true, stream: true };
    const body = JSON.stringify({ ...wish, model: "m".repeat(100_000) });
    socket.write(
      "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" +
        `content-length: ${body.length}\r\n\r\n${body}`,
    );
    const news = () =>
      server
        .log()
        .split("\n")
        .filter((line) => !/ batch\. #|ready/.test(line));
    const before = news();
    while (news().length === before.length) await Bun.sleep(5);
    await generate(server, randomIds(4), { max_new_tokens: 4 });
    expect(news().slice(before.length - 1)).toEqual([
      expect.stringMatching(/ the client reads too slowly and was dropped: aborted 1 of 1/),
      "",
    ]);
    socket.destroy();
  });
});
