/** Reads what the server answered to a valid request, and says what is wrong with it. */
import type { ValidRequest } from "./requests.ts";

/** One generation, in the same form for all endpoints, streamed or not. */
export interface Answer {
  text: string;
  /** Null while it ran. */
  finish: string | null;
  matched: unknown;
  /** Only where the endpoint tells. */
  ids: readonly number[] | null;
  tokens: number | null;
}

/* eslint-disable @typescript-eslint/no-explicit-any -- JSON of another program */
type Json = any;

const empty = (): Answer => ({
  text: "",
  finish: null,
  matched: null,
  ids: null,
  tokens: null,
});

/** Of a whole reply under status 200. @throws Error that says what does not fit. */
export function readAnswers(request: ValidRequest, text: string): Answer[] {
  const answers = Array.from({ length: request.choices }, empty);
  if (request.stream) {
    for (const event of eventsOf(text)) take(request, answers, event);
  } else take(request, answers, JSON.parse(text) as Json);
  answers.forEach((answer, i) => check(request, answer, i));
  return answers;
}

function eventsOf(text: string): Json[] {
  const events = text.split("\n\n").filter((event) => event !== "");
  if (events.pop() !== "data: [DONE]") throw new Error("the stream does not end with [DONE]");
  return events.map((event) => {
    if (!event.startsWith("data: ")) throw new Error(`not an event: ${event.slice(0, 100)}`);
    return JSON.parse(event.slice("data: ".length)) as Json;
  });
}

function take(request: ValidRequest, answers: Answer[], json: Json): void {
  if (json.error) throw new Error(`an error in the answer: ${JSON.stringify(json.error)}`);
  if (request.endpoint === "/generate") {
    const list = (Array.isArray(json) ? json : [json]) as Json[];
    list.forEach((item, i) => takeNative(answers[item.index ?? i], item));
  } else for (const choice of json.choices as Json[]) takeChoice(answers[choice.index], choice);
}

function takeNative(answer: Answer | undefined, item: Json): void {
  if (!answer) throw new Error("more answers than were asked for");
  const finish = item.meta_info.finish_reason;
  answer.text = item.text;
  answer.ids = item.output_ids;
  answer.tokens = item.output_ids.length;
  if (finish === null) return;
  if (finish.type === "abort") throw new Error(`aborted: ${finish.message}`);
  answer.finish = finish.type;
  answer.matched = finish.matched ?? null;
  if (item.meta_info.completion_tokens !== answer.tokens) throw new Error("tokens are miscounted");
}

function takeChoice(answer: Answer | undefined, choice: Json): void {
  if (!answer) throw new Error("more answers than were asked for");
  if (answer.finish !== null) throw new Error("news of a choice after its end");
  answer.text += choice.text ?? (choice.message ?? choice.delta).content ?? "";
  answer.finish = choice.finish_reason;
  if (choice.finish_reason !== null) answer.matched = choice.matched_stop;
}

function check(request: ValidRequest, { finish, tokens }: Answer, index: number): void {
  const fail = (what: string): never => {
    throw new Error(`choice ${index}: ${what}`);
  };
  if (finish !== "stop" && finish !== "length") fail(`finish_reason is ${finish}`);
  if (request.fullLength && finish !== "length") fail("stopped, although nothing may stop it");
  if (tokens === null) return;
  if (tokens > request.maxTokens) fail(`${tokens} tokens of at most ${request.maxTokens}`);
  if (finish === "length" && tokens !== request.maxTokens) fail(`ended by length at ${tokens}`);
}

/** What must be the same whenever the request is asked: not the time, not the cache. */
export function essence(answers: readonly Answer[]): string {
  return JSON.stringify(
    answers.map(({ text, finish, matched, ids }) => [text, finish, matched, ids]),
  );
}
