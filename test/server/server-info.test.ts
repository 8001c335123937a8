/** What the server says of its arguments and its load. */
import { expect, test } from "bun:test";
import { argumentsOf, type ServeOptions } from "../../src/server/serve.ts";
import { version } from "../../src/version.ts";
import { testServer } from "./support.ts";

const get = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

test("/server_info: limits, memory and state", async () => {
  await using server = await testServer();
  const { body } = await get(`${server.url}/get_server_info`);
  expect(body).toMatchObject({
    max_total_num_tokens: 400,
    max_req_input_len: 199,
    version,
    startup_time: 1,
    device: "scripted",
    internal_states: [
      {
        last_gen_throughput: 0,
        memory_usage: { weight: 1, kvcache: 0.5, token_capacity: 400 },
        load: 0,
        host_time_per_step_us: { since_start: 0, recent: 0 },
      },
    ],
  });
  expect((await get(`${server.url}/server_info`)).body).toEqual(body);
});

test("/v1/loads: sections and ranks are chosen, and checked", async () => {
  await using server = await testServer();
  server.engine.waiting = 5;
  const loads = async (query: string) => get(`${server.url}/v1/loads${query}`);
  const all = (await loads("")).body["loads"] as object[];
  expect(all).toMatchObject([
    {
      dp_rank: 0,
      num_waiting_reqs: 5,
      queues: { waiting: 5 },
      memory: { weight_gb: 1, kv_cache_gb: 0.5, token_capacity: 400 },
    },
  ]);
  const [core] = (await loads("?include=core")).body["loads"] as object[];
  expect(core).not.toHaveProperty("memory");
  expect((await loads("?dp_rank=1")).body["loads"]).toEqual([]);
  for (const query of ["?include=nonsense", "?dp_rank=x", "?format=prometheus"]) {
    expect((await loads(query)).status, query).toBe(400);
  }
  expect((await get(`${server.url}/get_load`)).body).toMatchObject([
    { num_reqs: 5, num_waiting_reqs: 5 },
  ]);
});

test("arguments have SGLang's names, and the key is not among them", () => {
  const options = { modelPath: "m", dpSize: 2, apiKey: "secret" } as ServeOptions;
  expect(argumentsOf(options)).toEqual({ model_path: "m", dp_size: 2, api_key: "(set)" });
  expect(argumentsOf({ ...options, apiKey: null })).toMatchObject({ api_key: null });
});
