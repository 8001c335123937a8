/** A request inside the engine: its tokens, its pages, and how far it has come. */
import { askedMax, topMax } from "../program/index.ts";
import { LogitAdjuster } from "./adjust.ts";
import type { EngineLimits, GenerateRequest, LogitAdjustments } from "./api.ts";

/**
 * Positions count the tokens of prompt and output alike. A step computes positions; computing position p
 * yields logits for the token at p + 1, so the last token is drawn but never computed:
 *
 *     0 ... known ............ prompt + maxNewTokens
 *     0 ... planned ... end    (planned may be one ahead of known: that token is still being drawn)
 */
export class Request {
  readonly id: number;
  readonly spec: GenerateRequest;
  readonly pageTokens: number;
  /** Has counted the known tokens of the output. */
  readonly adjuster: LogitAdjuster | null;
  /** The prompt, then the output as far as it is known. */
  readonly tokens: Int32Array;
  /** Tokens known so far, prompt included. */
  known: number;
  /** Positions that planned steps compute; those below it are in the KV cache once these steps are done. */
  planned = 0;
  /** Positions to compute in all. */
  readonly end: number;
  /**
   * Positions in [rowsBegin, rowsEnd) need a logits row: for a prompt token's logprob or for a draw. rowsBegin
   * moves on as results come, so that a request that is computed again does not give them twice.
   */
  rowsBegin: number;
  readonly rowsEnd: number;
  /** Row of the last planned step that draws this request's next token. */
  drawRow = -1;
  /**
   * KV pages in order of position, pageCount of them. The first cachedCount are in the prefix cache and locked,
   * the others belong to this request alone. None while it waits and after its end.
   */
  readonly pages: Int32Array;
  pageCount = 0;
  cachedCount = 0;
  running = false;
  finished = false;

  constructor(id: number, spec: GenerateRequest, pageTokens: number) {
    const prompt = spec.promptIds.length;
    this.id = id;
    this.spec = spec;
    this.pageTokens = pageTokens;
    this.adjuster = spec.adjustments ? new LogitAdjuster(spec.adjustments) : null;
    this.tokens = new Int32Array(prompt + spec.maxNewTokens);
    this.tokens.set(spec.promptIds);
    this.known = prompt;
    this.end = prompt + Math.max(spec.maxNewTokens - 1, 0);
    this.pages = new Int32Array(Math.ceil(this.end / pageTokens));
    const promptStart = spec.logprobs?.promptStart ?? -1;
    this.rowsBegin = promptStart < 0 ? prompt - 1 : Math.max(promptStart - 1, 0);
    this.rowsEnd = spec.maxNewTokens > 0 ? this.end : prompt - 1;
  }

  get promptLength(): number {
    return this.spec.promptIds.length;
  }

  /** Output tokens known so far. */
  get generated(): number {
    return this.known - this.promptLength;
  }

  /** True when all known tokens are in planned steps: what remains is one token a step. */
  get decoding(): boolean {
    return this.planned >= this.known || this.planned === this.known - 1;
  }

  /** Takes the next token of the output. */
  push(token: number): void {
    this.tokens[this.known++] = token;
    this.adjuster?.count(token);
  }

  /** Logits rows that computing the positions [begin, end) takes. */
  rowCount(begin: number, end: number): number {
    return Math.max(Math.min(end, this.rowsEnd) - Math.max(begin, this.rowsBegin), 0);
  }
}

/** @throws RangeError with a sentence if a request is not one that the engine can ever run. */
export function checkRequest(request: GenerateRequest, limits: EngineLimits): void {
  const { promptIds, maxNewTokens, sampling, adjustments, logprobs } = request;
  const total = promptIds.length + maxNewTokens;
  const most = Math.min(limits.contextLength, limits.maxTotalTokens);
  if (promptIds.length === 0) refuse("its prompt is empty");
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0)
    refuse(`maxNewTokens is ${maxNewTokens}`);
  if (total > most) refuse(`it needs ${total} tokens of prompt and output; at most ${most} fit`);
  const stranger = promptIds.find((id) => id < 0 || id >= limits.vocabSize);
  if (stranger !== undefined) refuse(`token ${stranger} is not below ${limits.vocabSize}`);
  const { temperature, topP, topK, minP, seed } = sampling;
  if (!(temperature >= 0 && temperature < Infinity)) refuse(`temperature is ${temperature}`);
  if (!(topP > 0 && topP <= 1)) refuse(`topP is ${topP}`);
  if (!Number.isInteger(topK) || (topK < 1 && topK !== -1)) refuse(`topK is ${topK}`);
  if (!(minP >= 0 && minP <= 1)) refuse(`minP is ${minP}`);
  if (!Number.isSafeInteger(seed) || seed < 0) refuse(`seed is ${seed}`);
  if (adjustments) checkAdjustments(adjustments, maxNewTokens, limits.vocabSize);
  if (logprobs === null) return;
  const { promptStart, topCount, askedIds = [] } = logprobs;
  if (!Number.isInteger(promptStart) || promptStart < -1 || promptStart > promptIds.length) {
    refuse(`promptStart is ${promptStart}`);
  }
  if (!Number.isInteger(topCount) || topCount < 0 || topCount > topMax)
    refuse(`topCount is ${topCount}`);
  if (askedIds.length > askedMax) refuse(`it asks for ${askedIds.length} tokens' logprobs`);
  const unknown = askedIds.find((id) => !Number.isInteger(id) || id < 0 || id >= limits.vocabSize);
  if (unknown !== undefined) refuse(`asked token ${unknown} is not below ${limits.vocabSize}`);
}

function checkAdjustments(a: LogitAdjustments, maxNewTokens: number, vocabSize: number): void {
  if (!isFloat(a.frequencyPenalty)) refuse(`frequencyPenalty is ${a.frequencyPenalty}`);
  if (!isFloat(a.presencePenalty)) refuse(`presencePenalty is ${a.presencePenalty}`);
  if (!isFloat(a.repetitionPenalty) || a.repetitionPenalty <= 0)
    refuse(`repetitionPenalty is ${a.repetitionPenalty}`);
  const { minNewTokens } = a;
  if (!Number.isInteger(minNewTokens) || minNewTokens < 0 || minNewTokens > maxNewTokens)
    refuse(`minNewTokens is ${minNewTokens} of at most ${maxNewTokens}`);
  const isToken = (id: number) => Number.isInteger(id) && id >= 0 && id < vocabSize;
  const wrong = a.logitBias.find(([id, bias]) => !isToken(id) || !isFloat(bias));
  if (wrong) refuse(`the bias of token ${wrong[0]} is ${wrong[1]}`);
  const stranger = a.blockedTokenIds.find((id) => !isToken(id));
  if (stranger !== undefined) refuse(`blocked token ${stranger} is not below ${vocabSize}`);
}

/** Finite in single precision. */
function isFloat(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}

function refuse(what: string): never {
  throw new RangeError(`The engine refuses the request: ${what}`);
}
