/** `servebench chat`: talks with a server. */
import { defaultOptions } from "../bench/options.ts";
import type { Conversation } from "../chat/conversation.ts";
import { exitCode } from "../exit-code.ts";
import { paint } from "../terminal/style.ts";
import { UsageError, UserError } from "../user-error.ts";
import { bench } from "./bench.ts";
import { defineCommand, type CommandIo } from "./command.ts";
import { intFlag, numberFlag, restOf, textFlag, textListFlag, type FlagValues } from "./flags.ts";

const flags = {
  backend: { ...bench.flags.backend, help: "The engine behind the server; decides the port." },
  "base-url": bench.flags["base-url"],
  host: bench.flags.host,
  port: bench.flags.port,
  model: bench.flags.model,
  "api-key": bench.flags["api-key"],
  system: textFlag("System prompt."),
  temperature: numberFlag("Temperature of answers; the server's default if not given.", {
    min: 0,
  }),
  "max-tokens": intFlag("Most tokens of an answer; the server's default if not given.", {
    min: 1,
  }),
} as const;

export const chat = defineCommand({
  name: "chat",
  summary: "talk with a server's model",
  description:
    "Talks with any server that has OpenAI's /v1/chat/completions. At a terminal: questions in, answers out as they come, each followed by its time to first " +
    "token and speed; Ctrl-C stops an answer, Ctrl-D leaves, /help lists the rest. With a question on the command line, or on standard input, prints " +
    "the answer alone on standard output, and its figures on standard error.",
  examples: [
    { line: "servebench chat", says: "with our engine, or SGLang, on port 30000" },
    {
      line: 'servebench chat "why is the sky blue" --base-url http://gpu-box:8000',
      says: "one question; echo ... | servebench chat asks what the pipe holds",
    },
  ],
  words: {
    question: restOf(
      textListFlag("A single question; what standard input holds if it is a pipe.", {
        placeholder: "QUESTION",
      }),
    ),
  },
  flags,
  run: async (values, io) => {
    const question = values.question?.join(" ") ?? (await pipedText());
    if (question?.trim() === "") {
      throw new UsageError("nothing was asked: expected a question as words or on standard input");
    }
    const conversation = await open(values, question === null ? null : io.signal);
    if (question !== null) return askOnce(conversation, question, io);
    const { talk } = await import("../chat/terminal.ts");
    await talk(conversation, { write: io.stdout, style: io.output });
    return exitCode.success;
  },
});

/** null at a terminal, where questions are typed. @throws UsageError where answers could not be seen. */
async function pipedText(): Promise<string | null> {
  const { stdin, stdout } = process;
  if (stdin.isTTY === true && stdout.isTTY === true) return null;
  if (stdin.isTTY === true)
    throw new UsageError("output is no terminal: name a question, or pipe it in");
  const { text } = await import("node:stream/consumers");
  return text(stdin);
}

/** @param signal null: Ctrl-C just ends the program. */
async function open(
  values: FlagValues<typeof flags>,
  signal: AbortSignal | null,
): Promise<Conversation> {
  const { plainChat } = await import("../bench/backends/openai-chat.ts");
  const { fetchModel, targetOf } = await import("../bench/target.ts");
  const { Conversation } = await import("../chat/conversation.ts");
  const { system, temperature, maxTokens } = values;
  const key = values.apiKey ?? process.env["OPENAI_API_KEY"] ?? null;
  const { backend, baseUrl, host, port } = values;
  const request = { ...defaultOptions, backend, baseUrl, host, port, apiKey: key };
  const target = targetOf(request, plainChat);
  const model =
    values.model ?? (await fetchModel(target, request, signal ?? new AbortController().signal));
  return new Conversation({ target, model, temperature, maxTokens, request }, system);
}

async function askOnce(
  conversation: Conversation,
  question: string,
  io: CommandIo,
): Promise<number> {
  const { answerLine, failureLine } = await import("../chat/text.ts");
  let shown = "";
  const onText = (text: string, isThought: boolean): void => {
    if (isThought) return;
    shown = text;
    io.stdout(text);
  };
  const answer = await conversation.ask(question, onText, io.signal);
  conversation.close();
  if (shown !== "" && !shown.endsWith("\n")) io.stdout("\n");
  const { failure } = answer;
  if (failure && failure.class !== "interrupted") throw new UserError(failureLine(failure));
  io.stderr(`${paint(answerLine(answer), "dim", io.output)}\n`);
  return failure === null ? exitCode.success : exitCode.interrupted;
}
