/** A conversation with a server over `/v1/chat/completions`: what was said, and what each answer took. */
import type { ReplyReader } from "../bench/backends/index.ts";
import { chatText, plainChat, type Message } from "../bench/backends/openai-chat.ts";
import { OpenaiReader } from "../bench/backends/openai-reader.ts";
import type { BenchOptions } from "../bench/options.ts";
import type { Failure, Usage } from "../bench/request.ts";
import { requestHeaders, type Target } from "../bench/target.ts";
import { Connections } from "../bench/transport/connection.ts";
import { Exchange } from "../bench/transport/exchange.ts";
import { postBytes } from "../bench/transport/http.ts";
import { Inbox } from "../bench/transport/inbox.ts";

/** As long as bench waits. */
const timeoutMs = 6 * 3600 * 1000;

export interface ChatSettings {
  readonly target: Target;
  readonly model: string;
  /** null: the server's own. */
  readonly temperature: number | null;
  readonly maxTokens: number | null;
  /** Headers, key and reading rules of requests. */
  readonly request: BenchOptions;
}

/** Gets the pieces of an answer as they come; `isThought`: what the model says to itself. */
export type OnText = (text: string, isThought: boolean) => void;

/** Seconds from the send, by the client's monotonic clock. */
export interface Answer {
  /** 0 when no token came. */
  readonly ttftS: number;
  /** From the first piece to the last. */
  readonly generatingS: number;
  /** Pieces of text that came: tokens, or a little fewer. */
  readonly pieces: number;
  /** null where the server did not say. */
  readonly usage: Usage | null;
  /** The answer has reached the most tokens that it might have. */
  readonly isCut: boolean;
  readonly failure: Failure | null;
}

interface Said {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export class Conversation {
  readonly settings: ChatSettings;
  /** null: none. */
  system: string | null;
  readonly answers: Answer[] = [];
  readonly #connections: Connections;
  #said: Said[] = [];

  constructor(settings: ChatSettings, system: string | null) {
    this.settings = settings;
    this.system = system;
    this.#connections = new Connections(settings.target.endpoint, true);
  }

  /** Forgets all that was said. */
  begin(): void {
    this.#said = [];
  }

  /** A question whose answer failed is forgotten when the next one is asked. */
  ask(question: string, onText: OnText, signal: AbortSignal): Promise<Answer> {
    if (this.#said.at(-1)?.role === "user") this.#said.pop();
    this.#said.push({ role: "user", content: question });
    return this.#answer(onText, signal);
  }

  /** Asks the last question again; null if there is none. */
  regenerate(onText: OnText, signal: AbortSignal): Promise<Answer> | null {
    if (this.#said.at(-1)?.role === "assistant") this.#said.pop();
    return this.#said.length === 0 ? null : this.#answer(onText, signal);
  }

  close(): void {
    this.#connections.closeIdle();
  }

  async #answer(onText: OnText, signal: AbortSignal): Promise<Answer> {
    const { target, request } = this.settings;
    const headers = requestHeaders(plainChat, request);
    const path = target.path;
    const bytes = postBytes(target.hostHeader, path, headers, this.#body());
    const reader = new AnswerReader(request, onText);
    const exchange = new Exchange(this.#connections, bytes, reader, new Inbox(), timeoutMs);
    const stop = (): void => exchange.fail({ class: "interrupted", message: "" });
    signal.addEventListener("abort", stop);
    const { failure } = await exchange.done;
    signal.removeEventListener("abort", stop);
    const { ttftS, itlsS, usage } = reader.reply;
    const answer = {
      ttftS,
      generatingS: itlsS.reduce((sum, gap) => sum + gap, 0),
      pieces: exchange.events,
      usage,
      isCut: reader.isCut,
      failure,
    };
    // Half an answer that its reader stopped is an answer; one that broke is none.
    const keeps = failure === null || (failure.class === "interrupted" && reader.content !== "");
    if (keeps) this.#said.push({ role: "assistant", content: reader.content });
    if (ttftS > 0) this.answers.push(answer);
    return answer;
  }

  #body(): string {
    const { model, temperature, maxTokens } = this.settings;
    const system = this.system === null ? [] : [{ role: "system", content: this.system }];
    return JSON.stringify({
      model,
      messages: [...system, ...this.#said],
      ...(temperature === null ? {} : { temperature }),
      ...(maxTokens === null ? {} : { max_completion_tokens: maxTokens }),
      stream: true,
      stream_options: { include_usage: true },
    });
  }
}

/** bench's reader of chat streams, which also hands each piece on. */
class AnswerReader implements ReplyReader {
  /** What belongs to the conversation: thoughts do not. */
  content = "";
  isCut = false;
  readonly #reader: OpenaiReader;

  constructor(options: BenchOptions, onText: OnText) {
    const find = (choice: object): unknown => {
      const { delta, message, finish_reason: reason } = choice as Record<string, unknown>;
      const content = ((delta ?? message) as Message | null | undefined)?.content;
      const text = chatText.find(choice);
      if (typeof content === "string") this.content += content;
      if (typeof text === "string" && text !== "") onText(text, !content);
      this.isCut ||= reason === "length";
      return text;
    };
    this.#reader = new OpenaiReader(options, { name: chatText.name, find });
  }

  get reply() {
    return this.#reader.reply;
  }

  line(line: string, atS: number): Failure | null {
    return this.#reader.line(line, atS);
  }

  like(texts: string, atS: Float64Array): void {
    this.#reader.like(texts, atS);
  }

  end(): Failure | null {
    return this.#reader.end();
  }
}
