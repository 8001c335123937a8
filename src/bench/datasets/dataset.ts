/** What every data set gives: the requests in order of arrival, and where they came from. */
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { BenchOptions } from "../options.ts";
import type { NumpyRandom } from "../random/numpy.ts";
import type { PythonRandom } from "../random/python.ts";
import type { BenchRequest } from "../request.ts";

export interface Dataset {
  readonly requests: readonly BenchRequest[];
  /** A file name, or in words what was made up. */
  readonly source: string;
  /** Prompts are meant to find the beginnings of others in the server's cache. */
  readonly sharesPrefixes?: boolean;
  /** Another prompt of the same length, the same for the same mark, where that takes more than a mark in front. */
  readonly renew?: (request: BenchRequest, mark: string) => BenchRequest;
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
