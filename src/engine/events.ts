/**
 * What the engine's thread tells the host: one message a step, flat words instead of objects, so that a step
 * with hundreds of tokens is one small copy. The words are a header (`headerFields`), then records:
 *
 *     admitted         {kind, request, cached tokens}
 *     token            {kind, request, token}
 *     token logprob    {kind, request, token, logprob bits, n, a, (n + a) x {token, logprob bits}}
 *                      n alternatives, then the a tokens that were asked for
 *     prompt logprob   the same: the logprob of the prompt's next token
 *     finish           {kind, request, reason, stop token id or index into messages}
 */
import type { StepResults } from "../program/index.ts";
import type { FinishReason, RatedToken, TokenLogprob } from "./api.ts";

/** The state of the engine, then what has been done since the last message. */
const headerFields = [
  "running",
  "waiting",
  "usedTokens",
  "evictableTokens",
  "newTokenRatioMillionths",
  "steps",
  "idleUs",
  "prefillTokens",
  "cachedTokens",
  "generatedTokens",
  "admissions",
  "retractions",
  "evictedTokens",
] as const;
/** `EngineLoad`, with the totals beside the state. */
export type LoadWords = Readonly<Record<(typeof headerFields)[number], number>>;
const headerWords = headerFields.length;
const kinds = { token: 0, tokenLogprob: 1, promptLogprob: 2, finish: 3, admitted: 4 } as const;
/** Words of a record with a logprob, before its lists. */
const logprobWords = 6;
const reasons = { stop: 0, length: 1, abort: 2 } as const;

export interface EventMessage {
  readonly words: Int32Array<ArrayBuffer>;
  /** Texts of abort reasons. */
  readonly messages: readonly string[];
}

/** Collects the events of a step. Its buffer is kept from step to step. */
export class EventWriter {
  #words = new Int32Array(1024);
  #floats = new Float32Array(this.#words.buffer);
  #count = headerWords;
  #messages: string[] = [];
  #toldRunning = 0;

  admitted(request: number, cachedTokens: number): void {
    this.#reserve(3);
    this.#put(kinds.admitted);
    this.#put(request);
    this.#put(cachedTokens);
  }

  token(request: number, token: number): void {
    this.#reserve(3);
    this.#put(kinds.token);
    this.#put(request);
    this.#put(token);
  }

  /** The logprob of a row of the step's results, with its alternatives. */
  logprob(
    kind: "tokenLogprob" | "promptLogprob",
    request: number,
    results: StepResults,
    row: number,
  ): void {
    const topCount = results.topCount(row);
    const askedCount = results.askedCount(row);
    this.#reserve(logprobWords + 2 * (topCount + askedCount));
    this.#put(kinds[kind]);
    this.#put(request);
    this.#put(results.token(row));
    this.#putFloat(results.logprob(row));
    this.#put(topCount);
    this.#put(askedCount);
    for (let i = 0; i < topCount; i++) {
      this.#put(results.topToken(row, i));
      this.#putFloat(results.topLogprob(row, i));
    }
    for (let i = 0; i < askedCount; i++) {
      this.#put(results.askedToken(row, i));
      this.#putFloat(results.askedLogprob(row, i));
    }
  }

  finish(request: number, reason: FinishReason): void {
    this.#reserve(4);
    this.#put(kinds.finish);
    this.#put(request);
    this.#put(reasons[reason.type]);
    if (reason.type === "stop") this.#put(reason.tokenId);
    else if (reason.type === "abort") this.#put(this.#messages.push(reason.message) - 1);
    else this.#put(0);
  }

  /** The message with all events since the last call; null if there were none and as many requests run as before. */
  take(load: LoadWords): EventMessage | null {
    if (this.#count === headerWords && load.running === this.#toldRunning) return null;
    this.#toldRunning = load.running;
    headerFields.forEach((field, i) => (this.#words[i] = load[field]));
    const message = { words: this.#words.slice(0, this.#count), messages: this.#messages };
    this.#count = headerWords;
    this.#messages = [];
    return message;
  }

  #put(word: number): void {
    this.#words[this.#count++] = word;
  }

  #putFloat(value: number): void {
    this.#floats[this.#count++] = value;
  }

  #reserve(words: number): void {
    if (this.#count + words <= this.#words.length) return;
    const larger = new Int32Array(2 * (this.#count + words));
    larger.set(this.#words);
    this.#words = larger;
    this.#floats = new Float32Array(larger.buffer);
  }
}

export interface EventHandler {
  onLoad(load: LoadWords): void;
  onAdmitted(request: number, cachedTokens: number): void;
  onToken(request: number, token: number, logprob: TokenLogprob | null): void;
  onPromptLogprob(request: number, logprob: TokenLogprob): void;
  onFinish(request: number, reason: FinishReason): void;
}

/** Calls the handler for each event of a message, in order. */
export function readEvents({ words, messages }: EventMessage, handler: EventHandler): void {
  const floats = new Float32Array(words.buffer);
  handler.onLoad(Object.fromEntries(headerFields.map((f, i) => [f, words[i]!])) as LoadWords);
  for (let at = headerWords; at < words.length;) {
    const kind = words[at]!;
    const request = words[at + 1]!;
    if (kind === kinds.token) {
      handler.onToken(request, words[at + 2]!, null);
      at += 3;
    } else if (kind === kinds.admitted) {
      handler.onAdmitted(request, words[at + 2]!);
      at += 3;
    } else if (kind === kinds.finish) {
      handler.onFinish(request, readReason(words[at + 2]!, words[at + 3]!, messages));
      at += 4;
    } else {
      const logprob = readLogprob(words, floats, at + 2);
      if (kind === kinds.promptLogprob) handler.onPromptLogprob(request, logprob);
      else handler.onToken(request, logprob.token, logprob);
      at += logprobWords + 2 * (logprob.top.length + (logprob.asked?.length ?? 0));
    }
  }
}

function readReason(reason: number, value: number, messages: readonly string[]): FinishReason {
  if (reason === reasons.stop) return { type: "stop", tokenId: value };
  if (reason === reasons.length) return { type: "length" };
  return { type: "abort", message: messages[value]! };
}

function readLogprob(words: Int32Array, floats: Float32Array, at: number): TokenLogprob {
  const [topCount, askedCount] = [words[at + 2]!, words[at + 3]!];
  const rated = (from: number, count: number): RatedToken[] =>
    Array.from({ length: count }, (_, i) => ({
      token: words[from + 2 * i]!,
      logprob: floats[from + 2 * i + 1]!,
    }));
  const top = rated(at + 4, topCount);
  const own = { token: words[at]!, logprob: floats[at + 1]!, top };
  return askedCount === 0 ? own : { ...own, asked: rated(at + 4 + 2 * topCount, askedCount) };
}
