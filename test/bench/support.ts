/** Stand-ins for the terminal and the tokenizer, and what a run would send. */
import { arrivalTimes, parseRateRange } from "../../src/bench/arrivals.ts";
import { buildDataset, type Dataset } from "../../src/bench/datasets/index.ts";
import type { BenchIo, BenchOptions, RequestRecord } from "../../src/bench/index.ts";
import { NumpyRandom } from "../../src/bench/random/numpy.ts";
import { PythonRandom } from "../../src/bench/random/python.ts";
import type { BenchRequest } from "../../src/bench/request.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";

/** One token a word; ids are positions in a list that grows. */
export function wordTokenizer(vocabSize = 1000): Tokenizer {
  const words: string[] = [];
  const idOf = (word: string): number => {
    const known = words.indexOf(word);
    return known >= 0 ? known : words.push(word) - 1;
  };
  const flags = new Uint8Array(vocabSize);
  const bytes = {
    data: new Uint8Array(),
    offsets: new Uint32Array(vocabSize + 1),
    flags,
    stripsLeadingSpace: false,
  };
  return {
    vocabSize,
    baseVocabSize: vocabSize,
    bosId: null,
    eosIds: [],
    bytes,
    cleansUp: false,
    hasChatTemplate: true,
    encode: (text) => (text.match(/\s*\S+/g) ?? []).map(idOf),
    decode: (ids) => Array.from(ids, (id) => words[id] ?? "").join(""),
    applyChatTemplate: () => "",
  };
}

export interface CapturedIo extends BenchIo {
  readonly out: () => string;
  readonly err: () => string;
  readonly controller: AbortController;
}

export function captureIo(tokenizer: Tokenizer = wordTokenizer()): CapturedIo {
  const out: string[] = [];
  const err: string[] = [];
  const controller = new AbortController();
  return {
    stdout: (text) => void out.push(text),
    stderr: (text) => void err.push(text),
    isTerminal: false,
    keepRecords: true,
    columns: 80,
    signal: controller.signal,
    loadTokenizer: () => Promise.resolve(tokenizer),
    fetchDataset: () => Promise.reject(new Error("no test asked for a download")),
    out: () => out.join(""),
    err: () => err.join(""),
    controller,
  };
}

/** All of them at once. */
export const requestsOf = ({ promptLens, outputLens, prompt }: Dataset): BenchRequest[] =>
  Array.from(promptLens, (promptLen, i) => ({
    prompt: prompt(i),
    promptLen,
    outputLen: outputLens[i]!,
  }));

/** The requests that options draw, then the gaps of each rate, in seconds. */
export function drawnRequests(
  options: BenchOptions,
  tokenizer: Tokenizer,
): { requests: BenchRequest[]; gaps: number[][] } {
  const numpy = new NumpyRandom(options.seed);
  const python = new PythonRandom(options.seed);
  const dataset = buildDataset({ options, tokenizer, python, numpy, note: () => {} });
  const requests = requestsOf(dataset);
  const rates = options.multi ? parseRateRange(options.requestRateRange) : [options.requestRate];
  const gaps = rates.map((rate) => {
    const drawn: number[] = [];
    const recorder = { exponential: (s: number) => drawn[drawn.push(numpy.exponential(s)) - 1]! };
    arrivalTimes(rate, requests.length, recorder);
    return drawn;
  });
  return { requests, gaps };
}

/** A success of one token, but for what is said otherwise. */
export function requestRecord(more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    index: 0,
    promptLen: 1,
    outputLen: 1,
    scheduledS: 0,
    readyS: 0,
    sentS: 0,
    connectedS: null,
    firstByteS: null,
    ttftS: 0.1,
    latencyS: 0.1,
    endedS: 0.1,
    itlsS: [],
    text: " a",
    usage: null,
    httpStatus: 200,
    failure: null,
    ...more,
  };
}
