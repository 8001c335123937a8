/** Random requests that the server must answer, and a few that it must refuse. */
import type { Dice } from "./dice.ts";

export type Endpoint = "/v1/completions" | "/v1/chat/completions" | "/generate";

export interface ValidRequest {
  readonly endpoint: Endpoint;
  readonly body: Readonly<Record<string, unknown>>;
  readonly stream: boolean;
  /** Answers that it gets: prompts times n. */
  readonly choices: number;
  readonly maxTokens: number;
  /** Every answer has exactly `maxTokens` tokens. */
  readonly fullLength: boolean;
  /** Greedy or seeded: the same request has the same answer at any time. */
  readonly repeatable: boolean;
}

export interface RefusedRequest {
  readonly what: string;
  readonly path: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly status: number;
}

const vocabSize = 128_000;
const words =
  "the of a river stone light under never seven blue engine paper Größe 東京 café naïve 😀 ok yes no it".split(
    " ",
  );

function text(dice: Dice, wordCount: number): string {
  return Array.from({ length: wordCount }, () => dice.pick(words)).join(" ");
}

/** Beginnings that many requests share, so that the prefix cache has work. */
function sharedPrefix(dice: Dice, dicePrefix: (seed: number) => Dice): string {
  const which = dice.integer(0, 7);
  return text(dicePrefix(1000 + which), 40 * (1 + which));
}

/** The fields that all endpoints name alike. */
function sampling(dice: Dice, maxTokens: number) {
  return {
    temperature: dice.pick([0, 0, 0.5, 1, 1.7]),
    ...dice.fields({
      top_p: [0.3, () => dice.pick([0.1, 0.9, 1])],
      top_k: [0.3, () => dice.pick([-1, 1, 5, 50])],
      min_p: [0.2, () => dice.pick([0, 0.1, 0.9])],
      frequency_penalty: [0.2, () => dice.pick([-2, -0.5, 0.3, 2])],
      presence_penalty: [0.2, () => dice.pick([-2, 0.5, 2])],
      repetition_penalty: [0.2, () => dice.pick([0.5, 1.1, 2])],
      logit_bias: [0.2, () => ({ [dice.integer(0, 1000)]: 5, [dice.integer(0, 1000)]: -100 })],
      stop: [0.25, () => dice.pick([" a", ["e", "zzz"], "\n\n", [" the ", "tion"]])],
      stop_regex: [0.1, () => dice.pick(["[0-9]{2}", "q|x{3}"])],
      stop_token_ids: [0.1, () => [dice.integer(0, 1000), dice.integer(0, 1000)]],
      skip_special_tokens: [0.2, () => dice.chance(0.5)],
      no_stop_trim: [0.2, () => dice.chance(0.5)],
    }),
    ignore_eos: dice.chance(0.7),
    n: dice.chance(0.15) ? dice.integer(2, 4) : 1,
    min_tokens: dice.chance(0.15) ? dice.integer(0, Math.min(maxTokens, 20)) : 0,
  };
}

export interface RequestShape {
  readonly outputMax: number;
  /** Undefined: either. */
  readonly stream?: boolean;
  readonly endpoint?: Endpoint;
}

export class RequestMaker {
  readonly #dice: Dice;
  readonly #newDice: (seed: number) => Dice;

  constructor(dice: Dice, newDice: (seed: number) => Dice) {
    this.#dice = dice;
    this.#newDice = newDice;
  }

  valid(shape: RequestShape): ValidRequest {
    const dice = this.#dice;
    const endpoint =
      shape.endpoint ?? dice.pick(["/v1/completions", "/v1/chat/completions", "/generate"]);
    const maxTokens = dice.skewed(1, shape.outputMax);
    const stream = shape.stream ?? dice.chance(0.6);
    const params = sampling(dice, maxTokens);
    const seed = dice.chance(0.7) ? dice.integer(0, 1e9) : undefined;
    const common = { ...params, seed, maxTokens, stream };
    const body =
      endpoint === "/generate"
        ? this.#generate(common)
        : endpoint === "/v1/completions"
          ? this.#completion(common)
          : this.#chat(common);
    const stops = "stop" in params || "stop_regex" in params;
    return {
      endpoint,
      body,
      stream,
      choices: params.n,
      maxTokens,
      fullLength: params.ignore_eos && !stops,
      repeatable: seed !== undefined || params.temperature === 0,
    };
  }

  /** Each event carries all tokens so far with 20 alternatives: tens of megabytes in all. */
  heavy(): ValidRequest {
    const sampling_params = { temperature: 1, max_new_tokens: 400, ignore_eos: true };
    return {
      endpoint: "/generate",
      body: {
        text: this.#prompt(),
        stream: true,
        return_logprob: true,
        top_logprobs_num: 20,
        sampling_params,
      },
      stream: true,
      choices: 1,
      maxTokens: 400,
      fullLength: true,
      repeatable: false,
    };
  }

  /** Words of many languages, without white space at its ends. */
  text(): string {
    return text(this.#dice, this.#dice.integer(1, 300));
  }

  #prompt(): string {
    const dice = this.#dice;
    const begin = dice.chance(0.5) ? sharedPrefix(dice, this.#newDice) : "";
    return `${begin} ${text(dice, dice.skewed(1, dice.chance(0.05) ? 1500 : 150))}`;
  }

  #ids(): number[] {
    const count = this.#dice.skewed(1, 400);
    return Array.from({ length: count }, () => this.#dice.integer(0, vocabSize - 1));
  }

  #generate({ maxTokens, stream, seed, min_tokens, ...params }: CommonFields) {
    const dice = this.#dice;
    const logprobs = { return_logprob: true, top_logprobs_num: dice.integer(0, 3) };
    return {
      ...(dice.chance(0.5) ? { text: this.#prompt() } : { input_ids: this.#ids() }),
      ...(dice.chance(0.15) ? { ...logprobs, logprob_start_len: dice.pick([-1, 0]) } : {}),
      stream,
      sampling_params: {
        ...params,
        max_new_tokens: maxTokens,
        min_new_tokens: min_tokens,
        sampling_seed: seed,
      },
    };
  }

  #completion({ maxTokens, stream, ...params }: CommonFields) {
    const dice = this.#dice;
    const prompt = dice.chance(0.7) ? this.#prompt() : this.#ids();
    const more = dice.fields({
      logprobs: [0.2, () => dice.integer(0, 3)],
      echo: [0.1, () => true],
    });
    return { model: "m", prompt, max_tokens: maxTokens, stream, ...params, ...more };
  }

  #chat({ maxTokens, stream, ...params }: CommonFields) {
    const dice = this.#dice;
    const system = { role: "system", content: sharedPrefix(dice, this.#newDice) };
    const user = { role: "user", content: this.#prompt() };
    const logprobs = { logprobs: true, top_logprobs: dice.integer(0, 3) };
    return {
      model: "m",
      messages: dice.chance(0.5) ? [system, user] : [user],
      max_tokens: maxTokens,
      stream,
      ...params,
      ...(dice.chance(0.2) ? logprobs : {}),
    };
  }

  refused(): RefusedRequest {
    return this.#dice.pick(refusals);
  }
}

type CommonFields = ReturnType<typeof sampling> & {
  readonly maxTokens: number;
  readonly stream: boolean;
  readonly seed: number | undefined;
};

const json = [["Content-Type", "application/json"]] as const;
const post = (what: string, path: string, body: string, status = 400): RefusedRequest => ({
  what,
  path,
  method: "POST",
  headers: json,
  body,
  status,
});

const refusals: readonly RefusedRequest[] = [
  post("broken JSON", "/generate", '{"text": "x", '),
  post("no JSON", "/v1/completions", "hello"),
  post("a list", "/v1/chat/completions", "[]"),
  post("an empty body", "/v1/completions", ""),
  post("an empty prompt", "/v1/completions", '{"prompt": ""}'),
  post("a wrong type", "/v1/completions", '{"prompt": "x", "max_tokens": "many"}'),
  post("out of range", "/generate", '{"text": "x", "sampling_params": {"top_p": 7}}'),
  post("an unknown parameter", "/generate", '{"text": "x", "sampling_params": {"topp": 1}}'),
  post("a strange id", "/generate", '{"input_ids": [1, -5]}'),
  post("a broken pattern", "/v1/completions", '{"prompt": "x", "stop_regex": "("}'),
  post("no messages", "/v1/chat/completions", '{"messages": []}'),
  post("too long an output", "/v1/completions", '{"prompt": "x", "max_tokens": 1000000}'),
  post("deep nesting", "/v1/completions", `{"prompt": ${"[".repeat(5000)}`),
  post("too long a prompt", "/generate", JSON.stringify({ text: "word ".repeat(300_000) })),
  post("an unknown path", "/v1/nowhere", "{}", 404),
  {
    what: "a wrong method",
    path: "/generate",
    method: "DELETE",
    headers: [],
    body: "",
    status: 405,
  },
  { ...post("no content type", "/generate", '{"text": "x"}'), headers: [] },
];
