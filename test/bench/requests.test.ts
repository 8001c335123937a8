/**
 * Proves that texts full of what tokenizers disagree on (white space of some languages, marks, special tokens, clean-up)
 * give bench_serving's requests and gaps. `scripts/fixtures-requests.py` asked bench_serving itself.
 */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { benchOptions } from "../../src/commands/bench.ts";
import { loadTokenizer } from "../../src/tokenizer/huggingface.ts";
import golden from "../fixtures/bench/odd_requests.json" with { type: "json" };
import { drawnRequests } from "./support.ts";

const tokenizer = loadTokenizer({ asset: "llama3_1.tokenizer" });
const dataset = join(import.meta.dir, "../fixtures/bench/odd_conversations.json");
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("odd conversations", () => {
  test.each(golden)("%#: requests and gaps", ({ argv, requests, gaps }) => {
    const drawn = drawnRequests(benchOptions([...argv, "--dataset-path", dataset]), tokenizer);
    const rows = drawn.requests.map(({ prompt, promptLen, outputLen }) => [
      sha256(prompt as string).slice(0, 16),
      promptLen,
      outputLen,
    ]);
    expect(rows).toEqual(requests);
    expect(drawn.gaps.flat()).toEqual(gaps);
  });
});
