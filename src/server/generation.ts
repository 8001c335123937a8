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
      /** Null where the end was asked for and is nobody's fault. */
      readonly status_code: number | null;
      readonly err_type: string | null;
    };

const aborted = (
  message: string,
  status: number | null = 500,
  type: string | null = "InternalServerError",
): Finish => ({
  type: "abort",
  message,
  status_code: status,
  err_type: type,
});

/**
 * Called after every token that a stream shows (see `streamInterval`), also when `delta` is empty because the text
 * is not decided yet, and at the end.
 */
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
  /** The request's id, for the log; choices of an OpenAI request share it. */
  private readonly id: string;
  private readonly request: GenerateRequest;
  private readonly listener: GenerationListener;
  private readonly detokenizer: Detokenizer;
  private readonly stopStrings: StopStrings;
  private readonly stopPatterns: StopPatterns;
  private readonly trimStop: boolean;
  private readonly streamInterval: number;
  private readonly engineId: number;
  /** Text that the listener has not got. */
  private untold = "";

  constructor(
    context: ServerContext,
    request: GenerateRequest,
    sampling: Pick<
      Sampling,
      "stopStrings" | "stopPatterns" | "trimStop" | "skipSpecialTokens" | "streamInterval"
    >,
    { id, isStreaming }: { readonly id: string; readonly isStreaming: boolean },
    listener: GenerationListener,
  ) {
    const { engine, tokenizer, requests, options } = context;
    this.context = context;
    this.request = request;
    this.promptIds = request.promptIds;
    this.listener = listener;
    const { skipSpecialTokens } = sampling;
    this.detokenizer = new Detokenizer(tokenizer.bytes, { skipSpecialTokens, continues: true });
    this.stopStrings = new StopStrings(sampling.stopStrings);
    this.stopPatterns = new StopPatterns(sampling.stopPatterns);
    this.trimStop = sampling.trimStop;
    this.id = id;
    this.meter = requests.begin(request.promptIds.length, isStreaming);
    this.streamInterval = sampling.streamInterval ?? options.streamInterval;
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
    this.settle(aborted("Aborted"));
    this.context.engine.abort(this.engineId);
  }

  /** Ends it because its user asks for that; what there is so far stays, and the listener hears of the end. */
  cancel(): void {
    if (this.finish !== null) return;
    this.context.engine.abort(this.engineId);
    const message = this.admissions === 0 ? "Abort in waiting queue" : "Aborted";
    this.context.log("info", `aborted by /abort_request after ${this.outputIds.length} tokens`);
    this.close(aborted(message, null, null));
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
    this.add(delta);
    const count = this.outputIds.length;
    // The engine says at once how it ends; the last token's text goes out together with that.
    if (isStopToken || count === this.request.maxNewTokens) return;
    if (this.streamInterval === 1 || count % this.streamInterval === 1) this.tell();
  }

  private add(text: string): void {
    this.text += text;
    this.untold += text;
  }

  private tell(): void {
    const delta = this.untold;
    this.untold = "";
    this.listener(delta);
  }

  /** @param trimmed leaves out what the stop strings hold back: the one found and what follows. */
  private stop(matched: string, shown: string, trimmed: boolean): void {
    const delta = trimmed ? shown : shown + this.stopStrings.release() + this.detokenizer.flush();
    this.add(delta);
    this.settle({ type: "stop", matched });
    this.context.engine.abort(this.engineId);
    this.tell();
  }

  /** Ends it as the request's own fault. */
  private giveUp(message: string): void {
    this.settle(aborted(message, 400, "BadRequestError"));
    this.context.engine.abort(this.engineId);
    this.tell();
  }

  private end(reason: FinishReason): void {
    if (this.finish !== null) return;
    if (reason.type === "stop") this.close({ type: "stop", matched: reason.tokenId });
    else if (reason.type === "length") {
      this.close({ type: "length", length: this.outputIds.length });
    } else {
      this.context.log("warning", `the engine gave a request up: ${reason.message}`);
      this.close(aborted(reason.message));
    }
  }

  /** Ends it for the reason given, unless the last of its text completes a stop string. */
  private close(finish: Finish): void {
    // What waited for the rest of a character may complete a stop string.
    let rest = this.stopStrings.push(this.detokenizer.flush());
    const { matched } = this.stopStrings;
    if (matched === null || !this.trimStop) rest += this.stopStrings.release();
    this.add(rest);
    this.settle(matched === null ? finish : { type: "stop", matched });
    this.tell();
  }

  /** Sets `finish`, counts the request and has it logged. */
  private settle(finish: Finish): void {
    this.finish = finish;
    const { cachedTokens, outputTokens, seconds } = this.meter.end(finish.type === "abort");
    if (!this.context.options.logRequests) return;
    this.context.log(
      "info",
      `request ${this.id} ended: ${finish.type}, ${this.promptIds.length} prompt tokens ` +
        `(${cachedTokens} cached), ${outputTokens} output tokens, ${seconds.toFixed(3)} s`,
    );
  }
}
