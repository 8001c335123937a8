/**
 * Proves that SGLang's own bench_serving v0.2.7 runs against the server unchanged, that our client sends the same
 * requests and prints the same totals, and that the published pipelines read both result files.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, startServer, type RunningServer } from "../support/binary.ts";
import { runProgram } from "../support/run.ts";
import { pythonWith } from "../support/python.ts";
import { realModel } from "../support/real-model.ts";

const shared = join(import.meta.dir, "../../../shared");
const peer = join(shared, "peers/bench_serving_v0.2.7.py");
const dataset = join(shared, "data/sharegpt_sample.json");
const python = pythonWith("aiohttp", "numpy", "requests", "tqdm", "transformers");
const why = [
  existsSync(peer) && existsSync(dataset) ? "" : "../shared is absent",
  realModel.folder === null ? `no real model: ${realModel.reason}` : "",
  python.python === null ? python.why : "",
].filter((reason) => reason !== "");
const skipped = why.length > 0 ? ` (skipped: ${why.join("; ")})` : "";

/** Passes requests on and notes a hash of each body, so that what two clients send can be compared. */
async function recorder(
  target: string,
): Promise<{ server: Server; port: number; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      if (incoming.method === "POST") bodies.push(createHash("sha256").update(body).digest("hex"));
      const options = { method: incoming.method!, headers: incoming.headers };
      const forward = httpRequest(target + incoming.url!, options, (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      forward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port, bodies };
}

const totals = (table: string) =>
  table.match(/^(Successful requests|Total input tokens|Total generated tokens):.*$/gm);

describe.skipIf(why.length > 0)(`bench_serving v0.2.7${skipped}`, () => {
  let folder: string;
  let server: RunningServer;
  let proxy: Awaited<ReturnType<typeof recorder>>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "servebench-peer-"));
    server = await startServer(["--model-path", realModel.folder!]);
    proxy = await recorder(server.url);
  });
  afterAll(async () => {
    proxy.server.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["sharegpt", "--num-prompts 6 --sharegpt-output-len 8"],
    ["random", "--num-prompts 6 --random-input 64 --random-output 8 --random-range-ratio 0.5"],
  ])("%s", async (name, flags) => {
    const line = [
      ...`--backend sglang --host 127.0.0.1 --port ${proxy.port} --dataset-name ${name}`.split(" "),
      ...`--dataset-path ${dataset} --model ${realModel.folder} --disable-tqdm`.split(" "),
      ...flags.split(" "),
    ];
    const theirs = join(folder, `${name}-theirs.jsonl`);
    const ours = join(folder, `${name}-ours.jsonl`);
    proxy.bodies.length = 0;
    const original = await runProgram([python.python!, peer, ...line, "--output-file", theirs], {
      cwd: folder,
      env: { ...(process.env as Record<string, string>), HF_HUB_OFFLINE: "1" },
    });
    expect(original.code, original.stderr).toBe(0);
    const sentByTheirs = proxy.bodies.splice(0);
    const bench = await run(["bench", ...line, "--output-file", ours, "--compat", "0.2.7"], {
      cwd: folder,
    });
    expect(bench.code, bench.stderr).toBe(0);

    expect(sentByTheirs).toHaveLength(7);
    expect(proxy.bodies.toSorted()).toEqual(sentByTheirs.toSorted());
    expect(totals(bench.stdout)).toEqual(totals(original.stdout));
    for (const file of [theirs, ours]) {
      const field = (n: number) =>
        spawnSync("sh", ["-c", `cat ${file} | cut -d':' -f${n} | cut -d',' -f1`], {
          encoding: "utf8",
        }).stdout;
      const result = JSON.parse(readFileSync(file, "utf8").replace("Infinity", "1e999"));
      expect(Number(field(12))).toBe(result.output_token_throughput);
      expect(Number(field(9))).toBe(result.median_e2e_latency);
    }
  });
});
