/** Proves that mistakes get one sentence that says what was wrong, and the right exit code: 2 usage, 1 the world. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-mistakes-"));
let taken: Server;
let takenPort = 0;

beforeAll(async () => {
  writeFileSync(
    join(folder, "cut.json"),
    '[{"id": "a", "conversations": [{"from": "human", "value": "Hel',
  );
  writeFileSync(join(folder, "bad.jinja"), "{{ messages[ }}");
  writeFileSync(join(folder, "empty.json"), "[]");
  const line = '{"backend": "sglang", "request_rate": Infinity, "completed": 1, "p99_ttft_ms": 5}';
  writeFileSync(join(folder, "run.jsonl"), `${line}\n`);
  writeFileSync(join(folder, "failed.jsonl"), `${line.replace('ed": 1', 'ed": 0')}\n`);
  writeFileSync(join(folder, "object.json"), '{"a": 1}');
  mkdirSync(join(folder, "no-config"));
  mkdirSync(join(folder, "bad-config"));
  writeFileSync(join(folder, "bad-config/config.json"), "{");
  mkdirSync(join(folder, "mamba"));
  writeFileSync(
    join(folder, "mamba/config.json"),
    '{"architectures": ["MambaForCausalLM"], "model_type": "mamba"}',
  );
  taken = createServer((socket) => socket.end("not http\r\n\r\n"));
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  takenPort = (taken.address() as { port: number }).port;
});
afterAll(() => {
  taken.close();
  rmSync(folder, { recursive: true });
});

/** Command line ({dir} and {port} filled in), exit code, what the sentence must say. */
const cases: readonly (readonly [line: string, code: number, says: RegExp])[] = [
  ["sevre", 2, /unknown command 'sevre' \(did you mean serve\?\)/],
  ["bench serve", 2, /unexpected word 'serve'/],
  ["serve --prot 1", 2, /unknown flag --prot \(did you mean --port\?\)/],
  ["serve --port", 2, /--port needs a value/],
  ["serve --port http", 2, /--port: 'http' is not a whole number/],
  ["serve --port 70000", 2, /--port: 70000 is out of range: it must be from 0 to 65535/],
  ["serve --device gpu", 2, /--device: 'gpu' is not one of auto, cpu, null/],
  ["serve --device cuda", 2, /--device: cuda is not built yet; use cpu, or auto/],
  ["serve --dtype half", 2, /--dtype: half is not built yet; use bfloat16 or float32/],
  ["serve --load-format npcache", 2, /--load-format: npcache is not built yet/],
  ["serve --schedule-policy dfs-weight", 2, /--schedule-policy: dfs-weight is not built yet/],
  ["serve --tokenizer-mode slow", 2, /--tokenizer-mode: slow is not built yet/],
  ["serve --node-rank 1", 2, /--node-rank: not built yet \(1\)/],
  ["serve --nccl-init-addr x:1", 2, /--nccl-init-addr: not built yet/],
  ["serve --context-length 25.6K", 2, /--context-length: '25.6K' is not a whole number/],
  ["serve --api-key=", 2, /--api-key: the key is empty/],
  ["serve --api-key schlüssel", 2, /--api-key: the key must be printable ASCII/],
  ["serve --additional-ports 1 x", 2, /--additional-ports: 'x' is not a whole number/],
  ["serve --chat-template llama-2", 2, /--chat-template: 'llama-2' is not a file.*built-in/],
  [
    "serve --chat-template {dir}/object.json",
    2,
    /--chat-template: .*object\.json: name: expected a string/,
  ],
  ["serve --chat-template {dir}/bad.jinja", 1, /chat template fails on a message of a user/],
  ["serve --page-size 1", 2, /--page-size: expected a multiple of 16, got 1/],
  ["serve --dtype int4", 2, /--dtype: 'int4' is not one of/],
  ["serve --tp 8", 2, /--tp-size: not built yet \(8\)/],
  ["serve --nnodes 2", 2, /--nnodes: not built yet/],
  ["serve --quantization fp8", 2, /--quantization: not built yet \(fp8\)/],
  ["serve --kv-cache-dtype fp8_e5m2", 2, /--kv-cache-dtype: not built yet/],
  ["serve --disable-radix-cache=yes", 2, /--disable-radix-cache is a switch/],
  ["serve --disable 1", 2, /--disable is ambiguous/],
  ["serve --port {port}", 1, /port {port} is (taken|in use)/],
  ["serve --model-path preset:tinny", 2, /preset:tinny.*did you mean tiny/],
  ["serve --model-path {dir}/nowhere", 1, /nowhere/],
  [
    "serve --model-path no-such-org/no-such-model",
    1,
    /127\.0\.0\.1:1 cannot be reached.*HF_ENDPOINT/,
  ],
  ["serve --revision v1", 1, /--revision: preset:tiny is not on the Hub/],
  ["serve --model-path {dir}/no-config", 1, /config\.json/],
  ["serve --model-path {dir}/bad-config", 1, /config\.json.*JSON/],
  [
    "serve --model-path {dir}/mamba --tokenizer-path preset:tiny --load-format dummy",
    1,
    /MambaForCausalLM/,
  ],
  ["serve --context-length 1", 2, /--context-length: 1 is out of range/],
  ["bench --backend sglan", 2, /--backend: 'sglan' is not one of .*did you mean sglang/],
  ["bench --random 5", 2, /--random is ambiguous: it could be --random-input-len/],
  ["bench --num-prompts 0", 2, /--num-prompts: 0 is out of range/],
  ["bench --request-rate -1", 2, /--request-rate: -1 is out of range/],
  ["bench --request-rate 0", 2, /--request-rate: 0/],
  ["bench --multi --request-rate-range 1,x", 2, /--request-rate-range/],
  ["bench --extra-request-body {", 2, /--extra-request-body: .*JSON/],
  ["bench --header novalue", 2, /--header: 'novalue' must be NAME=VALUE/],
  ["bench --base-url ftp://x", 2, /--base-url.*http/],
  ["bench --port 1 --dataset-name random-ids", 1, /127\.0\.0\.1:1|0\.0\.0\.0:1/],
  ["bench --port {port} --dataset-name random-ids", 1, /{port}/],
  ["bench --port {port} --model m --tokenizer {dir}/nowhere", 1, /nowhere/],
  ["bench --port {port} --model m --tokenizer preset:tinny", 2, /preset:tinny.*did you mean/],
  ["bench --model m --tokenizer preset:tiny --dataset-path {dir}/none.json", 1, /none\.json/],
  [
    "bench --model m --tokenizer preset:tiny --dataset-path {dir}/cut.json",
    1,
    /cut\.json.*cut off.*--allow-truncated/,
  ],
  [
    "bench --model m --tokenizer preset:tiny --dataset-path {dir}/empty.json",
    1,
    /empty\.json.*conversations/,
  ],
  [
    "bench --model m --tokenizer preset:tiny --dataset-path {dir}/object.json",
    1,
    /object\.json.*(list|array)/,
  ],
  ["bench --backend trt --dataset-name random-ids", 2, /--model/],
  ["reproduce", 2, /the recipe is missing: name offline\|online/],
  ["reproduce ofline", 2, /recipe: 'ofline' is not one of .*did you mean offline/],
  ["reproduce offline online", 2, /unexpected word 'online'/],
  ["reproduce offline --only 1,6", 2, /--only: '6' is not a run; name some of 1,2,3,4,5/],
  ["reproduce offline --scale -1", 2, /--scale: -1 is out of range/],
  ["reproduce offline --output-dir {dir}/nowhere", 1, /--output-dir: .*nowhere' does not exist/],
  ["reproduce offline --model-path preset:tinny", 2, /preset:tinny.*did you mean tiny/],
  ["reproduce offline --server-args=--prot=1", 2, /unknown flag --prot/],
  ["reproduce offline --base-url http://127.0.0.1:1", 1, /127\.0\.0\.1:1/],
  [
    "reproduce offline --base-url http://x --model-path y",
    2,
    /--model-path is for a server that is started; this one runs already/,
  ],
  ["compare {dir}/a.jsonl", 2, /the b is missing: name B/],
  ["compare {dir}/none.jsonl {dir}/none.jsonl", 1, /cannot read '.*none\.jsonl'/],
  ["compare {dir}/empty.json {dir}/empty.json", 1, /empty\.json holds no result line/],
  [
    "compare {dir}/run.jsonl {dir}/run.jsonl --fail-on ttft",
    2,
    /--fail-on: 'ttft' is no condition/,
  ],
  ["compare {dir}/run.jsonl {dir}/run.jsonl --fail-on tftt_p99>5%", 2, /did you mean ttft_p99/],
  [
    "compare {dir}/run.jsonl {dir}/run.jsonl --fail-on ttft_p99<5%",
    2,
    /did you mean "ttft_p99<-5%"/,
  ],
  [
    "compare {dir}/run.jsonl {dir}/run.jsonl --fail-on itl_p99>5%",
    1,
    /itl_p99 is not in both runs/,
  ],
  ["compare {dir}/run.jsonl {dir}/run.jsonl --records {dir}/empty.json", 1, /holds no record/],
  ["compare {dir}/failed.jsonl {dir}/run.jsonl", 1, /all requests failed cannot be compared/],
  ["report", 2, /the run is missing: name RUN\|FILE\.jsonl/],
  ["report {dir}/run.jsonl -o {dir}", 1, /--output: cannot write/],
  ["report {dir}/run.jsonl -x 1", 1, /'-x' names no run/],
  ["sweep", 2, /nothing to vary: give --rates/],
  ["sweep --rates 1,x", 2, /--rates: 'x' is not a number above 0/],
  ["sweep --lengths 128", 2, /--lengths: '128' is not INPUT\/OUTPUT/],
  [
    "sweep --datasets shargpt",
    2,
    /--dataset-name: 'shargpt' is not one of .*did you mean sharegpt/,
  ],
  ["sweep --search rate", 2, /a search needs a goal/],
  ["sweep --slo ttft_p99<5", 2, /--slo is a goal of a search/],
  ["sweep --search rate --slo ttft", 2, /--slo: 'ttft' is no goal/],
  [
    "sweep --search rate --slo ttft_p99<5 --rates 1",
    2,
    /search for a rate chooses the values itself/,
  ],
  ["search", 2, /the axis is missing: name rate\|concurrency/],
  ["search speed", 2, /axis: 'speed' is not one of rate, concurrency/],
  ["search rate", 2, /a search needs a goal/],
  ["search rate --search rate", 2, /unknown flag --search|ambiguous/],
  [
    "sweep --search rate --slo ttft_p99<5 --search-min 5",
    2,
    /--search-min.*must be above 0 and ascend/,
  ],
  ["sweep --rates 1 --serve=--prot=1", 2, /--serve: unknown flag --prot/],
  ["sweep --rates 1 --port 1 --output-file {dir}/x.jsonl", 1, /0\.0\.0\.0:1|127\.0\.0\.1:1/],
];

/** No test asks the real Hub. */
const noHub = {
  SERVEBENCH_HOME: join(folder, "home"),
  ...(process.env as Record<string, string>),
  HF_ENDPOINT: "http://127.0.0.1:1",
  HF_HUB_CACHE: join(folder, "cache"),
};

const fill = (text: string) =>
  text.replaceAll("{dir}", folder).replaceAll("{port}", String(takenPort));

test.each(cases)("servebench %s", async (line, code, says) => {
  const ended = await run(fill(line).split(" "), { cwd: folder, env: noHub });
  expect(ended.stderr).toMatch(new RegExp(fill(says.source), says.flags));
  expect(ended.code).toBe(code);
  const lines = ended.stderr.trim().split("\n");
  expect(lines.length, ended.stderr).toBeLessThanOrEqual(3);
  expect(ended.stderr).not.toContain("    at ");
});
