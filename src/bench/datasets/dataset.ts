/** What every data set gives: its requests in order of arrival, by number, and where they came from. */
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { BenchOptions } from "../options.ts";
import type { NumpyRandom } from "../random/numpy.ts";
import type { PythonRandom } from "../random/python.ts";
import type { BenchRequest, Prompt } from "../request.ts";

export interface Dataset {
  /** Tokens of the prompts as counted when the set was made; one entry a request. */
  readonly promptLens: Int32Array;
  /** Tokens asked for. */
  readonly outputLens: Int32Array;
  /** The prompt of a request. It may be made only now: a million of them are not to lie in memory. */
  readonly prompt: (index: number) => Prompt;
  /** A file name, or in words what was made up. */
  readonly source: string;
  /** Prompts are meant to find the beginnings of others in the server's cache. */
  readonly sharesPrefixes?: boolean;
  /** Another prompt of the same length, the same for the same mark, where that takes more than a mark in front. */
  readonly renew?: (promptLen: number, mark: string) => Prompt;
}

/** A data set of requests that lie in memory. */
export function keptDataset(
  requests: readonly BenchRequest[],
  more: Pick<Dataset, "source" | "sharesPrefixes" | "renew">,
): Dataset {
  const prompts = requests.map(({ prompt }) => prompt);
  return {
    ...more,
    promptLens: Int32Array.from(requests, ({ promptLen }) => promptLen),
    outputLens: Int32Array.from(requests, ({ outputLen }) => outputLen),
    prompt: (index) => prompts[index]!,
  };
}

export interface DatasetContext {
  readonly options: BenchOptions;
  readonly tokenizer: Tokenizer;
  /** The two global generators of bench_serving, seeded once a run; draws advance them. */
  readonly python: PythonRandom;
  readonly numpy: NumpyRandom;
  /** Tells the user one line. */
  readonly note: (line: string) => void;
}
