/** The executable downloads what it is asked to serve, from a Hub on the loopback. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cutAfter, FakeHub, sha256 } from "../hub/fake-hub.ts";
import { binary, run, startServer } from "../support/binary.ts";

const root = mkdtempSync(join(tmpdir(), "servebench-e2e-hub-"));
const fake = new FakeHub();
beforeAll(() => fake.start());
afterAll(() => {
  fake.stop();
  rmSync(root, { recursive: true });
});

const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_attention_heads: 2,
  num_hidden_layers: 1,
  num_key_value_heads: 1,
  head_dim: 32,
  vocab_size: 32,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: true,
};
const letters = Object.fromEntries(
  [..."abcdefghijklmnopqrstuvwxyz"].map((letter, id) => [letter, id]),
);
const tokenizer = {
  version: "1.0",
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: true,
  },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: "BPE", vocab: letters, merges: [] },
};
const files = {
  "config.json": JSON.stringify(config),
  "tokenizer.json": JSON.stringify(tokenizer),
  "tokenizer_config.json": '{"tokenizer_class": "PreTrainedTokenizerFast"}',
};
const commit = "d".repeat(40);

let environment: Record<string, string> = {};
let cache = "";
beforeEach(() => {
  fake.reset();
  fake.repositories.set("models/org/tiny", {
    commits: { [commit]: files },
    refs: { main: commit, v1: commit },
  });
  cache = mkdtempSync(join(root, "cache-"));
  environment = {
    ...(process.env as Record<string, string>),
    HF_ENDPOINT: fake.endpoint,
    HF_HOME: cache,
    HF_HUB_CACHE: join(cache, "hub"),
  };
});

test("serves a model of the Hub, and bench loads its tokenizer from the cache", async () => {
  const args = ["--model-path", "org/tiny", "--revision", "v1", "--load-format", "dummy"];
  const server = await startServer(args, { env: environment });
  try {
    expect(server.readyLine).toContain("org/tiny");
    expect(server.log()).toMatch(/downloading org\/tiny \(v1 ddddddd\) .*: 3 files/);
    fake.requests.length = 0;
    const line = `bench --port ${server.port} --dataset-name random-ids --num-prompts 2 --random-input-len 8 --random-output-len 8`;
    const ended = await run(line.split(" "), {
      env: { ...environment, HF_HUB_OFFLINE: "1" },
      cwd: cache,
    });
    expect(ended.stderr).toMatch(/org\/tiny \(main\) is not in the Hugging Face cache/);
    const online = await run(line.split(" "), { env: environment, cwd: cache });
    expect(online).toMatchObject({ code: 0 });
    expect(fake.requests.filter(({ path }) => path.includes("/resolve/"))).toEqual([]);
  } finally {
    await server.stop();
  }
});

const tokenizerSum = sha256(files["tokenizer.json"]);

function keptBytes(): number {
  const path = join(cache, "hub/models--org--tiny/blobs", `${tokenizerSum}.incomplete`);
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

test("Ctrl-C during a download ends with 130 and keeps what has come", async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  fake.fail(
    new RegExp(tokenizerSum),
    cutAfter(100, () => (keptBytes() === 100 && resolve(), 0)),
  );
  const args = [
    binary,
    "serve",
    "--port",
    "0",
    "--model-path",
    "org/tiny",
    "--load-format",
    "dummy",
  ];
  const child = Bun.spawn(args, { env: environment, stdout: "ignore", stderr: "pipe" });
  await arrived;
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(keptBytes()).toBe(100);
  expect(await new Response(child.stderr).text()).toContain(
    "the next start takes up what has been downloaded",
  );
});

test("bench --download-dataset takes ShareGPT from the Hub, once", async () => {
  const conversations = Array.from({ length: 4 }, () => ({
    conversations: ["abcdefgh", "ijklmnop"].map((value) => ({ from: "human", value })),
  }));
  const name = "ShareGPT_V3_unfiltered_cleaned_split.json";
  const content = JSON.stringify(conversations);
  fake.repositories.set("datasets/anon8231489123/ShareGPT_Vicuna_unfiltered", {
    commits: { [commit]: { [name]: content, "other.json": "[]" } },
    refs: { main: commit },
  });
  const server = await startServer(["--model-path", "preset:tiny"], { env: environment });
  try {
    const line = `bench --port ${server.port} --tokenizer org/tiny --num-prompts 2 --download-dataset`;
    for (const loads of [1, 0]) {
      fake.requests.length = 0;
      const ended = await run(line.split(" "), { env: environment, cwd: cache });
      expect(ended).toMatchObject({ code: 0 });
      expect(ended.stdout).toContain(name);
      expect(fake.requests.filter(({ path }) => path.includes(name)).length).toBe(loads);
    }
  } finally {
    await server.stop();
  }
});
