/** What a chat says about answers: figures, and what to do about failures. */
import { failureText, type Failure } from "../bench/request.ts";
import type { Answer } from "./conversation.ts";

/** Tokens of an answer, by the server's count where it gave one. */
const tokensOf = ({ usage, pieces }: Answer): number => usage?.completionTokens ?? pieces;

/** One line: time to first token, tokens, tokens a second after the first. */
export function answerLine(answer: Answer): string {
  const { ttftS, generatingS, usage, isCut, failure } = answer;
  if (ttftS === 0) return "no text came";
  const tokens = tokensOf(answer);
  const about = typeof usage?.completionTokens === "number" ? "" : "about ";
  const rate = generatingS > 0 ? [`${rateText((tokens - 1) / generatingS)} tokens/s`] : [];
  const end = failure?.class === "interrupted" ? ["stopped"] : isCut ? ["cut at its limit"] : [];
  const count = `${about}${tokens} token${tokens === 1 ? "" : "s"}`;
  return [`TTFT ${msText(ttftS)}`, count, ...rate, ...end].join(", ");
}

/** All answers so far, in a few lines. */
export function statsText(answers: readonly Answer[]): string {
  if (answers.length === 0) return "no answers yet\n";
  const mean = (of: (answer: Answer) => number): number =>
    answers.reduce((sum, answer) => sum + of(answer), 0) / answers.length;
  const seconds = mean((a) => a.generatingS) * answers.length;
  const tokens = mean(tokensOf) * answers.length;
  const prompt = answers.at(-1)!.usage?.promptTokens;
  const lines = [
    `answers  ${answers.length}`,
    `tokens   ${tokens}${answers.every(({ usage }) => usage) ? "" : " or so"}`,
    `TTFT     ${msText(mean((a) => a.ttftS))} (mean), ${msText(Math.max(...answers.map((a) => a.ttftS)))} (most)`,
    ...(seconds > 0 ? [`speed    ${rateText((tokens - answers.length) / seconds)} tokens/s`] : []),
    ...(typeof prompt === "number" ? [`prompt   ${prompt} tokens when last asked`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** A failure in a sentence, with what to do. */
export function failureLine(failure: Failure): string {
  const { class: kind, message } = failure;
  const detail = /^[^{]*(\{[^]*\})$/.exec(message)?.[1];
  const said = detail === undefined ? message : (messageIn(detail) ?? message);
  const text = failureText({ class: kind, message: said });
  const advice = adviceFor(failure);
  return advice === "" ? text : `${text}\n${advice}`;
}

/** The sentence in an error body of OpenAI's or FastAPI's shape. */
function messageIn(json: string): string | null {
  try {
    const { error, message, detail } = JSON.parse(json) as Record<string, unknown>;
    const nested = (error as { message?: unknown } | null)?.message;
    const found = [nested, error, message, detail].find((part) => typeof part === "string");
    return (found as string | undefined) ?? null;
  } catch {
    return null; // cut off, or no JSON
  }
}

function adviceFor({ class: kind, message }: Failure): string {
  if (/chat.?template/i.test(message)) {
    return (
      "A base model only goes on with a text: serve an instruct model instead, or give the server a template (--chat-template FILE).\n" +
      "Without one, its /v1/completions still takes a plain prompt."
    );
  }
  if (kind === "http 401" || kind === "http 403")
    return "--api-key or OPENAI_API_KEY gives the server's key.";
  if (kind === "http 404" || kind === "http 405")
    return "chat needs a server with OpenAI's /v1/chat/completions, and the name of a model that it has (--model).";
  if (kind === "connection")
    return "Is the server there? servebench serve starts one, --base-url names one.";
  return "";
}

const msText = (seconds: number): string =>
  seconds < 10 ? `${Number((seconds * 1000).toPrecision(3))} ms` : `${seconds.toFixed(1)} s`;

const rateText = (perSecond: number): string =>
  perSecond < 100 ? perSecond.toFixed(1) : String(Math.round(perSecond));
