/**
 * One continuation of one prompt: turns the engine's token ids into text, watches for stop strings, and keeps
 * what a response may want to show. Routes read its fields whenever it reports news.
 */
import type { Engine, FinishReason, GenerateRequest, TokenLogprob } from "../engine/api.ts";
import { Detokenizer } from "../tokenizer/detokenizer.ts";
import type { TokenBytes } from "../tokenizer/tokenizer.ts";
import type { Sampling } from "./sampling.ts";
import { StopPatterns } from "./stop-patterns.ts";
import { StopStrings } from "./stop-strings.ts";

/** Why a generation ended, in the form of /generate's `finish_reason`. */
export type Finish =
  | { readonly type: "stop"; readonly matched: number | string }
  | { readonly type: "length"; readonly length: number }
  | {
      readonly type: "abort";
      readonly message: string;
      readonly status_code: number;
      readonly err_type: string;
    };

const aborted = (message: string, status = 500, type = "InternalServerError"): Finish => ({
  type: "abort",
  message,
  status_code: status,
  err_type: type,
});

/** Called after every token, also when `delta` is empty because the text is not decided yet, and at the end. */
export type GenerationListener = (delta: string) => void;

export class Generation {
  readonly promptIds: Int32Array;
  /** The text so far: whole characters, and nothing that may turn out to be a stop string. */
  text = "";
  /** Ids so far, with the stop token. */
  readonly outputIds: number[] = [];
  /** One for each output id, if logprobs were asked for. */
  readonly outputLogprobs: TokenLogprob[] = [];
  promptLogprobs: readonly TokenLogprob[] = [];
  /** Prompt tokens that the prefix cache spared. */
  cachedTokens = 0;
  /** How often it began to run: more than once when the KV pool had run out. */
  admissions = 0;
  /** Null while it runs. */
  finish: Finish | null = null;

  private readonly engine: Engine;
  private readonly request: GenerateRequest;
  private readonly listener: GenerationListener;
  private readonly detokenizer: Detokenizer;
  private readonly stopStrings: StopStrings;
  private readonly stopPatterns: StopPatterns;
  private readonly trimStop: boolean;
  private readonly engineId: number;
  /** Text of the last token, which goes out with the news of the end. */
  private lastDelta = "";

  constructor(
    engine: Engine,
    bytes: TokenBytes,
    request: GenerateRequest,
    sampling: Pick<Sampling, "stopStrings" | "stopPatterns" | "trimStop" | "skipSpecialTokens">,
    listener: GenerationListener,
  ) {
    this.engine = engine;
    this.request = request;
    this.promptIds = request.promptIds;
    this.listener = listener;
    const { skipSpecialTokens } = sampling;
    this.detokenizer = new Detokenizer(bytes, { skipSpecialTokens, continues: true });
    this.stopStrings = new StopStrings(sampling.stopStrings);
    this.stopPatterns = new StopPatterns(sampling.stopPatterns);
    this.trimStop = sampling.trimStop;
    this.engineId = engine.submit(request, {
      onAdmitted: (cachedTokens) => {
        if (this.admissions++ === 0) this.cachedTokens = cachedTokens;
      },
      onPromptLogprobs: (logprobs) => (this.promptLogprobs = logprobs),
      onToken: (token, logprob) => this.take(token, logprob),
      onFinish: (reason) => this.end(reason),
    });
  }

  /** Ends it without another word to the listener; does nothing once it has ended. */
  abort(): void {
    if (this.finish !== null) return;
    this.finish = aborted("Aborted");
    this.engine.abort(this.engineId);
  }

  private take(token: number, logprob: TokenLogprob | null): void {
    if (this.finish !== null) return; // tokens on their way when it ended
    this.outputIds.push(token);
    if (logprob !== null) this.outputLogprobs.push(logprob);
    const isStopToken = this.request.stopTokenIds.includes(token);
    let delta = "";
    if (!isStopToken || !this.trimStop) {
      const piece = this.detokenizer.push(token);
      delta = this.stopStrings.push(piece);
      const { matched } = this.stopStrings;
      if (matched !== null) return this.stop(matched, delta, this.trimStop);
      const pattern = this.stopPatterns.push(piece);
      if (pattern !== null) return this.stop(pattern, delta, false);
      if (this.stopPatterns.isExhausted) return this.giveUp("stop_regex takes too long to search.");
    }
    this.text += delta;
    // The engine says at once how it ends; the last token's text goes out together with that.
    if (isStopToken || this.outputIds.length === this.request.maxNewTokens) this.lastDelta = delta;
    else this.listener(delta);
  }

  /** @param trimmed leaves out what the stop strings hold back: the one found and what follows. */
  private stop(matched: string, shown: string, trimmed: boolean): void {
    const delta = trimmed ? shown : shown + this.stopStrings.release() + this.detokenizer.flush();
    this.text += delta;
    this.finish = { type: "stop", matched };
    this.engine.abort(this.engineId);
    this.listener(delta);
  }

  /** Ends it as the request's own fault. */
  private giveUp(message: string): void {
    this.finish = aborted(message, 400, "BadRequestError");
    this.engine.abort(this.engineId);
    this.listener("");
  }

  private end(reason: FinishReason): void {
    if (this.finish !== null) return;
    // What waited for the rest of a character may complete a stop string.
    let rest = this.stopStrings.push(this.detokenizer.flush());
    const { matched } = this.stopStrings;
    if (matched === null || !this.trimStop) rest += this.stopStrings.release();
    this.text += rest;
    if (matched !== null) this.finish = { type: "stop", matched };
    else if (reason.type === "stop") this.finish = { type: "stop", matched: reason.tokenId };
    else if (reason.type === "length") {
      this.finish = { type: "length", length: this.outputIds.length };
    } else this.finish = aborted(reason.message);
    this.listener(this.lastDelta + rest);
  }
}
