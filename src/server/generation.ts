/**
 * One continuation of one prompt: turns the engine's token ids into text, watches for stop strings, and keeps
 * what a response may want to show. Routes read its fields whenever it reports news.
 */
import type { FinishReason, GenerateRequest, TokenLogprob } from "../engine/api.ts";
import { Detokenizer } from "../tokenizer/detokenizer.ts";
import type { ServerContext } from "./context.ts";
import type { RequestMeter } from "./metrics/requests.ts";
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

  private readonly context: ServerContext;
  private readonly meter: RequestMeter;
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
    context: ServerContext,
    request: GenerateRequest,
    sampling: Pick<Sampling, "stopStrings" | "stopPatterns" | "trimStop" | "skipSpecialTokens">,
    isStreaming: boolean,
    listener: GenerationListener,
  ) {
    const { engine, tokenizer, requests } = context;
    this.context = context;
    this.request = request;
    this.promptIds = request.promptIds;
    this.listener = listener;
    const { skipSpecialTokens } = sampling;
    this.detokenizer = new Detokenizer(tokenizer.bytes, { skipSpecialTokens, continues: true });
    this.stopStrings = new StopStrings(sampling.stopStrings);
    this.stopPatterns = new StopPatterns(sampling.stopPatterns);
    this.trimStop = sampling.trimStop;
    this.meter = requests.begin(request.promptIds.length, isStreaming);
    this.engineId = engine.submit(request, {
      onAdmitted: (cachedTokens) => {
        this.meter.admitted(cachedTokens);
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
    this.close(aborted("Aborted"));
    this.context.engine.abort(this.engineId);
  }

  private close(finish: Finish): void {
    this.finish = finish;
    const { cachedTokens, outputTokens, seconds } = this.meter.end(finish.type === "abort");
    if (!this.context.options.logRequests) return;
    this.context.log(
      "info",
      `request ${this.engineId} ended: ${finish.type}, ${this.promptIds.length} prompt tokens ` +
        `(${cachedTokens} cached), ${outputTokens} output tokens, ${seconds.toFixed(3)} s`,
    );
  }

  private take(token: number, logprob: TokenLogprob | null): void {
    if (this.finish !== null) return; // tokens on their way when it ended
    this.meter.token();
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
    this.close({ type: "stop", matched });
    this.context.engine.abort(this.engineId);
    this.listener(delta);
  }

  /** Ends it as the request's own fault. */
  private giveUp(message: string): void {
    this.close(aborted(message, 400, "BadRequestError"));
    this.context.engine.abort(this.engineId);
    this.listener("");
  }

  private end(reason: FinishReason): void {
    if (this.finish !== null) return;
    // What waited for the rest of a character may complete a stop string.
    let rest = this.stopStrings.push(this.detokenizer.flush());
    const { matched } = this.stopStrings;
    if (matched === null || !this.trimStop) rest += this.stopStrings.release();
    this.text += rest;
    if (matched !== null) this.close({ type: "stop", matched });
    else if (reason.type === "stop") this.close({ type: "stop", matched: reason.tokenId });
    else if (reason.type === "length") {
      this.close({ type: "length", length: this.outputIds.length });
    } else {
      this.context.log("warning", `the engine gave a request up: ${reason.message}`);
      this.close(aborted(reason.message));
    }
    this.listener(this.lastDelta + rest);
  }
}
