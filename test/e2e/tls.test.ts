/**
 * Proves that a run over TLS, which the runtime's sockets carry, gives results of the same form as one over native
 * threads; and under Deno, the same again. The certificate is trusted as a user would: by NODE_EXTRA_CA_CERTS.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authority } from "../bench/mock/certificate.ts";
import { burst, startMock, type MockServer } from "../bench/mock/server.ts";
import { binary } from "../support/binary.ts";
import { runProgram } from "../support/run.ts";

const root = join(import.meta.dir, "../..");
const deno = [
  join(root, "node_modules/@deno/linux-x64-glibc/deno"),
  ..."run --allow-all --no-check --quiet".split(" "),
  join(root, "src/main.ts"),
];
/** Deno does not follow the links of another checkout's dependencies. */
const denoRuns = !lstatSync(join(root, "node_modules")).isSymbolicLink();

const folder = mkdtempSync(join(tmpdir(), "servebench-tls-"));
const trusted = join(folder, "authority.pem");
let servers: Record<"http" | "https", MockServer>;
beforeAll(async () => {
  writeFileSync(trusted, authority);
  servers = { http: await startMock(burst), https: await startMock(burst, undefined, true) };
});
afterAll(async () => {
  await servers.http.close();
  await servers.https.close();
  rmSync(folder, { recursive: true });
});

const load =
  "--dataset-name random-ids --num-prompts 6 --random-input 8 --random-output 4 --random-range-ratio 1 --max-concurrency 1";

async function bench(program: readonly string[], scheme: "http" | "https", more: string) {
  const name = `${scheme}-${Math.random()}`;
  const files = `--output-file ${name}.jsonl --records ${name}.records.jsonl`;
  const address = `${scheme}://127.0.0.1:${servers[scheme].port}`;
  const line = `bench --base-url ${address} --tokenizer preset:tiny ${load} ${files} ${more}`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: trusted, DENO_NO_UPDATE_CHECK: "1" };
  const ended = await runProgram([...program, ...line.trim().split(" ")], { cwd: folder, env });
  const read = (file: string) =>
    readFileSync(join(folder, file), "utf8")
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text.replaceAll(/: (NaN|Infinity)/g, ": null")) as object);
  expect(ended.code, ended.stderr).toBe(0);
  return { line: read(`${name}.jsonl`)[0]!, records: read(`${name}.records.jsonl`) };
}

describe.each([
  ["the executable", [binary], true],
  ["the sources under Deno", deno, denoRuns],
] as const)("%s", (_, program, runs) => {
  test.skipIf(!runs).each(["close", "keep-alive"])("--connection %s", async (connection) => {
    const before = servers.https.connections();
    const over = await bench(program, "https", `--connection ${connection}`);
    expect(over.line).toMatchObject({ completed: 6 });
    // The models are asked for, the warm-up and the run have connections of their own.
    const connections = servers.https.connections() - before;
    expect(connections).toBe(connection === "close" ? 1 + 1 + 6 : 1 + 1 + 1);
    const native = await bench([binary], "http", `--connection ${connection}`);
    expect(Object.keys(over.line)).toEqual(Object.keys(native.line));
    expect(over.records.map(Object.keys)).toEqual(native.records.map(Object.keys));
  });

  test.skipIf(!runs)("a certificate that is not trusted: exit code 1, and what to do", async () => {
    const address = `https://127.0.0.1:${servers.https.port}`;
    const line = `bench --base-url ${address} --num-prompts 1 --tokenizer preset:tiny`;
    for (const words of [line, `${line} --model m`]) {
      const ended = await runProgram([...program, ...words.split(" ")], { cwd: folder });
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain("NODE_EXTRA_CA_CERTS=FILE.pem trusts a certificate");
    }
  });
});
