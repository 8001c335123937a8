/** The tokenizer thread: answers the calls of `TokenizerClient`. */
import { parentPort, workerData } from "node:worker_threads";
import type { TokenizerReply, TokenizerRequest } from "./client.ts";
import { type HuggingFaceTokenizer, loadTokenizer } from "./huggingface.ts";
import { type Job, Turns } from "./turns.ts";
import type { TokenBytes, TokenizerSource } from "./tokenizer.ts";

const port = parentPort!;

function post(reply: TokenizerReply, moved: readonly ArrayBufferView[] = []): void {
  port.postMessage(
    reply,
    moved.map((view) => view.buffer as ArrayBuffer),
  );
}

function* answer(tokenizer: HuggingFaceTokenizer, request: TokenizerRequest): Job {
  const { call } = request;
  try {
    if (request.kind === "encode") {
      const ids: Int32Array[] = [];
      for (const text of request.texts) {
        ids.push(Int32Array.from(yield* tokenizer.encodeInSteps(text, request.options)));
        yield;
      }
      return post({ kind: "done", call, ids, text: "" }, ids);
    }
    const text = tokenizer.applyChatTemplate(request.messages, request.addGenerationPrompt);
    return post({ kind: "done", call, ids: [], text });
  } catch (error) {
    return post({ kind: "error", call, message: (error as Error).message });
  }
}

/** A copy whose arrays have buffers of their own, to be moved. */
function copy({ data, offsets, flags, stripsLeadingSpace }: TokenBytes): TokenBytes {
  return { data: data.slice(), offsets: offsets.slice(), flags: flags.slice(), stripsLeadingSpace };
}

function start(): void {
  try {
    const tokenizer = loadTokenizer(workerData as TokenizerSource);
    const turns = new Turns();
    port.on("message", (request: TokenizerRequest) => turns.add(answer(tokenizer, request)));
    const { vocabSize, baseVocabSize, bosId, eosIds, hasChatTemplate } = tokenizer;
    const bytes = copy(tokenizer.bytes);
    const facts = { vocabSize, baseVocabSize, bosId, eosIds, hasChatTemplate };
    post({ kind: "ready", facts, bytes }, [bytes.data, bytes.offsets, bytes.flags]);
  } catch (error) {
    post({ kind: "failed", message: (error as Error).message });
  }
}

start();
