/** A request inside the engine: its tokens, its pages, and how far it has come. */
import type { GenerateRequest } from "./api.ts";

const noPages = new Int32Array(0);

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
  /** The prompt, then the output as far as it is known. */
  readonly tokens: Int32Array;
  /** Tokens known so far, prompt included. */
  known: number;
  /** Positions that planned steps compute; those below it are in the KV cache once these steps are done. */
  planned = 0;
  /** Positions to compute in all. */
  readonly end: number;
  /** Positions in [rowsBegin, rowsEnd) need a logits row: for a prompt token's logprob or for a draw. */
  readonly rowsBegin: number;
  readonly rowsEnd: number;
  /** Row of the last planned step that draws this request's next token. */
  drawRow = -1;
  /** KV pages in order of position; empty while waiting and after the end. */
  pages: Int32Array = noPages;
  finished = false;

  constructor(id: number, spec: GenerateRequest) {
    const prompt = spec.promptIds.length;
    this.id = id;
    this.spec = spec;
    this.tokens = new Int32Array(prompt + spec.maxNewTokens);
    this.tokens.set(spec.promptIds);
    this.known = prompt;
    this.end = prompt + Math.max(spec.maxNewTokens - 1, 0);
    const promptStart = spec.logprobs?.promptStart ?? -1;
    this.rowsBegin = promptStart < 0 ? prompt - 1 : Math.max(promptStart - 1, 0);
    this.rowsEnd = spec.maxNewTokens > 0 ? this.end : prompt - 1;
  }

  get promptLength(): number {
    return this.spec.promptIds.length;
  }

  /** True once the whole prompt is in planned steps: what remains is one token a step. */
  get decoding(): boolean {
    return this.planned >= this.promptLength;
  }

  /** Logits rows that computing the positions [begin, end) takes. */
  rowCount(begin: number, end: number): number {
    return Math.max(Math.min(end, this.rowsEnd) - Math.max(begin, this.rowsBegin), 0);
  }
}
