/**
 * Groups of prompts that begin alike, as SGLang's `generated-shared-prefix` makes them: a system prompt for each group,
 * a question for each prompt, of ids drawn from the whole vocabulary and decoded. The draws are Python's, over the ids
 * in ascending order (SGLang's older versions took them in an order that changed from run to run).
 */
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { UsageError } from "../../user-error.ts";
import type { BenchOptions } from "../options.ts";
import type { PythonRandom } from "../random/python.ts";
import type { BenchRequest } from "../request.ts";
import { keptDataset, type Dataset, type DatasetContext } from "./dataset.ts";

export function sharedPrefixDataset(context: DatasetContext): Dataset {
  const { options, tokenizer, python, note } = context;
  const { gspNumGroups: groups, gspPromptsPerGroup: perGroup, gspOutputLen: outputLen } = options;
  const { systemLen, questionLen } = prefixLengths(options);
  const draw = (length: number): string =>
    randomText(tokenizer, length, python, options.decodeCleanup);
  const systems = Array.from({ length: groups }, () => draw(systemLen));
  const questions = Array.from({ length: groups * perGroup }, () => draw(questionLen));
  const requests = questions.map((question, i): BenchRequest => {
    const prompt = `${systems[Math.floor(i / perGroup)]}\n\n${question}`;
    return { prompt, promptLen: tokenizer.encode(prompt).length, outputLen };
  });
  const sharedLens = systems.map((system) => tokenizer.encode(`${system}\n\n`).length);
  note(idealHitNote(sharedLens, perGroup, requests));
  python.shuffle(requests);
  return keptDataset(requests, { source: "generated shared prefixes", sharesPrefixes: true });
}

/** The lengths asked for, or, for a wanted ratio of hits, their sum divided otherwise. @throws UsageError */
export function prefixLengths(options: BenchOptions): { systemLen: number; questionLen: number } {
  const { gspSystemPromptLen, gspQuestionLen, gspPromptsPerGroup, cacheHitRatio } = options;
  if (cacheHitRatio === null) {
    return { systemLen: gspSystemPromptLen, questionLen: gspQuestionLen };
  }
  const total = gspSystemPromptLen + gspQuestionLen;
  // The first prompt of a group finds nothing.
  const most = (gspPromptsPerGroup - 1) / gspPromptsPerGroup;
  if (cacheHitRatio >= most) {
    throw new UsageError(
      `--cache-hit-ratio: ${cacheHitRatio} cannot be reached with ${gspPromptsPerGroup} prompts a group, ` +
        `of which one finds nothing; give less than ${most.toFixed(3)}, or more --gsp-prompts-per-group.`,
    );
  }
  const systemLen = Math.min(Math.round((cacheHitRatio / most) * total), total - 1);
  return { systemLen, questionLen: total - systemLen };
}

/** `random.choices(sorted(vocabulary), k=length)`, decoded. */
function randomText(
  tokenizer: Tokenizer,
  length: number,
  python: PythonRandom,
  decodeCleanup: boolean,
): string {
  const ids = Array.from({ length }, () => Math.floor(python.random() * tokenizer.vocabSize));
  const cleanUp = decodeCleanup && tokenizer.cleansUp;
  return tokenizer.decode(ids, { skipSpecialTokens: false, cleanUp });
}

function idealHitNote(
  sharedLens: readonly number[],
  perGroup: number,
  requests: readonly BenchRequest[],
): string {
  const total = requests.reduce((sum, { promptLen }) => sum + promptLen, 0);
  const hit = sharedLens.reduce((sum, length) => sum + length * (perGroup - 1), 0);
  const percent = ((100 * hit) / total).toFixed(1);
  return `${sharedLens.length} groups of ${perGroup} prompts: a perfect prefix cache would hold ${percent} % of their tokens.`;
}
