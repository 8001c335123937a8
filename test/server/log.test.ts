/** What the log says of requests, and how a flood of one line becomes two. */
import { expect, test } from "bun:test";
import { gatherRepeats } from "../../src/server/log.ts";
import { post, testServer, until } from "./support.ts";

test("repeats are counted; other lines pass", async () => {
  const lines: string[] = [];
  const log = gatherRepeats((level, line) => lines.push(`${level}: ${line}`), 10);
  for (let i = 0; i < 1000; i++) log("warning", "full");
  log("info", "other");
  expect(lines).toEqual(["warning: full", "info: other"]);
  await until(() => lines.length > 2);
  expect(lines[2]).toBe("warning: full (999 more times within 0.01 s)");
});

test("--log-requests: id, lengths and time of each request that ends, not its text", async () => {
  await using server = await testServer({ logRequests: true });
  const sampling_params = { max_new_tokens: 3 };
  await post(`${server.url}/generate`, { text: "secret", rid: "mine", sampling_params });
  expect(server.logged).toEqual([
    expect.stringMatching(
      /^info: request mine ended: length, 7 prompt tokens \(0 cached\), 3 output tokens, \d+\.\d{3} s$/,
    ),
  ]);
});

test("what the engine gives up and what an operator aborts is a line each", async () => {
  await using server = await testServer();
  server.engine.script = () => ({ abort: "A step failed" });
  await post(`${server.url}/generate`, { text: "x" });
  server.engine.script = () => "wait";
  const waiting = post(`${server.url}/generate`, { text: "x", rid: "mine" });
  await until(() => server.engine.load().running === 1);
  await post(`${server.url}/abort_request`, { rid: "mine" });
  await waiting;
  expect(server.logged).toEqual([
    "warning: the engine gave a request up: A step failed",
    "info: aborted by /abort_request after 0 tokens",
  ]);
});
