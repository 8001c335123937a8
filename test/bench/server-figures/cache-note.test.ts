/** Proves when a user is told that the server may have known the prompts. */
import { expect, test } from "bun:test";
import { defaultOptions } from "../../../src/bench/options.ts";
import { cacheNote } from "../../../src/bench/server-figures/cache-note.ts";
import {
  lookAt,
  summarize,
  type ServerFigures,
} from "../../../src/bench/server-figures/figures.ts";
import { parseMetrics } from "../../../src/bench/server-figures/prometheus.ts";

const look = (prompts: number, cached: number) =>
  lookAt(
    parseMetrics(`sglang:prompt_tokens_total ${prompts}\nsglang:cached_tokens_total ${cached}`),
  );
const measured = (cached: number) => summarize([look(0, 0), look(1000, cached)], {})!;
const silent = (off: boolean) => summarize([], { version: "1", disable_radix_cache: off })!;
const dataset = { requests: [], source: "a test" };
const salted = { ...defaultOptions, salt: "random" };
const shared = { ...dataset, sharesPrefixes: true };

test.each<[string, ServerFigures | null, object, object, string | null]>([
  [
    "half of it cached",
    measured(500),
    dataset,
    defaultOptions,
    "Note: 50.0 % of the prompt tokens",
  ],
  ["half of it, in spite of a salt", measured(500), dataset, salted, "Note: 50.0 %"],
  ["half of it, as was meant", measured(500), shared, defaultOptions, null],
  ["next to nothing", measured(50), dataset, defaultOptions, null],
  [
    "a cache that says nothing",
    silent(false),
    dataset,
    defaultOptions,
    "Note: the server keeps a prefix cache",
  ],
  ["the same, with a salt", silent(false), dataset, salted, null],
  ["no cache", silent(true), dataset, defaultOptions, null],
  ["a server that says nothing at all", null, dataset, defaultOptions, null],
])("%s", (_, server, data, options, begins) => {
  const note = cacheNote(data as never, options as never, server);
  if (begins === null) expect(note).toBeNull();
  else expect(note).toStartWith(begins);
});
