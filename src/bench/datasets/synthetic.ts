/**
 * Conversations made up from a seed, for use where no ShareGPT file is at hand. They resemble it where a
 * server can tell: lengths are roughly log-normal with its centres and spreads (in tokens: prompts exp(4.6 ±
 * 1.55), replies exp(4.7 ± 1.4)), one in eight is code, one in five is not English. Some are too short or too
 * long for the filters of the sharegpt data set, as there. The words mean nothing.
 */
import seedrandom from "seedrandom";
import type { Exchange } from "./conversations.ts";
import { emoji, languages, openings } from "./synthetic-words.ts";
import type { Language } from "./synthetic-words.ts";

/** So many conversations are enough for the published recipes' 3,000 prompts after filtering. */
const usualCount = 4096;
/** Conversations made for each one wanted, since some are filtered out. */
const surplus = 1.3;
/** About 60 MB. */
const countMax = 16_384;
const tokensMax = 3000;

type Random = () => number;

/** Enough conversations for `wanted` usable ones, up to 12,000. A longer corpus begins like a shorter one. */
export function syntheticConversations(wanted: number): Exchange[] {
  const random = seedrandom("servebench synthetic conversations 1");
  const count = Math.min(Math.max(usualCount, Math.ceil(wanted * surplus)), countMax);
  return Array.from({ length: count }, () => {
    const language = pickLanguage(random);
    const prompt = text(language, logNormal(random, 4.6, 1.55), random);
    const opened = random() < 0.5 ? `${pick(openings, random)} ${prompt}` : prompt;
    return [opened, text(language, logNormal(random, 4.7, 1.4), random)];
  });
}

/** A number of tokens. Twelve uniform draws make a normal one near enough. */
function logNormal(random: Random, centre: number, spread: number): number {
  let normal = -6;
  for (let i = 0; i < 12; i++) normal += random();
  return Math.min(Math.exp(centre + spread * normal), tokensMax);
}

/** Sentences of about `tokens` tokens, in paragraphs. */
function text(language: Language, tokens: number, random: Random): string {
  const words = Math.max(1, Math.round(tokens / language.tokensPerWord));
  const sentences: string[] = [];
  for (let made = 0; made < words;) {
    const length = Math.min(words - made, 3 + Math.floor(random() * 16));
    sentences.push(sentence(language, length, random));
    made += length;
  }
  return sentences.join("").trimEnd();
}

function sentence(language: Language, length: number, random: Random): string {
  let made = "";
  for (let i = 0; i < length; i++) {
    const word = pickCommon(language.words, random);
    made += i === 0 ? word.charAt(0).toUpperCase() + word.slice(1) : word;
    if (i < length - 1) made += random() < 0.08 ? language.comma : language.space;
  }
  const ending = pick(language.stops, random);
  const extra = random() < 0.02 ? ` ${pick(emoji, random)}` : "";
  return made + ending + extra + (random() < 0.15 ? "\n\n" : language.space);
}

const weightSum = languages.reduce((sum, { weight }) => sum + weight, 0);

function pickLanguage(random: Random): Language {
  let point = random() * weightSum;
  return languages.find(({ weight }) => (point -= weight) < 0) ?? languages[0]!;
}

const pick = <T>(items: readonly T[], random: Random): T =>
  items[Math.floor(random() * items.length)]!;

/** Prefers the front of the list, as languages prefer their common words. */
function pickCommon(words: readonly string[], random: Random): string {
  return words[Math.floor(random() ** 2 * words.length)]!;
}
