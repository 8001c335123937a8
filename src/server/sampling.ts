/** Sampling fields as the endpoints take them, and what they mean to the engine. */
import { z } from "zod";
import type { LogitAdjustments, SamplingParams } from "../engine/api.ts";
import { describe } from "./body.ts";
import type { DefaultSampling } from "./context.ts";
import { malformed, refused } from "./errors.ts";
import type { StopPattern } from "./stop-patterns.ts";

export const number = z.number("a number");
export const integer = z.int({
  error: ({ code }) => (code === "invalid_type" ? "an integer" : "an integer of at most 53 bits"),
});
export const boolean = z.boolean("true or false");
export const string = z.string("a string");
/** Checked later, or by other means. */
export const anything = z.unknown().optional();

const strings = z.union([string, z.array(string)], "a string or a list of strings");

/** Fields of completions, chat and sampling_params alike; null means the default everywhere. */
export const samplingFields = {
  temperature: number.nullish(),
  top_p: number.nullish(),
  top_k: integer.nullish(),
  min_p: number.nullish(),
  frequency_penalty: number.nullish(),
  presence_penalty: number.nullish(),
  repetition_penalty: number.nullish(),
  logit_bias: z.record(z.string(), number, "an object of token ids and numbers").nullish(),
  n: integer.nullish(),
  stop: strings.nullish(),
  stop_regex: strings.nullish(),
  stop_token_ids: z.array(integer, "a list of token ids").nullish(),
  ignore_eos: boolean.nullish(),
  skip_special_tokens: boolean.nullish(),
  no_stop_trim: boolean.nullish(),
};
type SamplingFields = z.output<z.ZodObject<typeof samplingFields>>;

/** What is not built yet, with the values that ask for nothing. */
export type Neutral = Readonly<Record<string, readonly (string | number | boolean)[]>>;

export const samplingNotBuilt: Neutral = {
  regex: [],
  json_schema: [],
  ebnf: [],
  structural_tag: [],
  custom_params: [],
};

/** Refuses what would have to be ignored. Null, empty lists and empty objects ask for nothing. */
export function refuseNotBuilt(body: object, notBuilt: Neutral, at = ""): void {
  for (const [name, neutral] of Object.entries(notBuilt)) {
    const value = (body as Record<string, unknown>)[name];
    if (value === undefined || value === null || neutral.includes(value as string)) continue;
    if (typeof value === "object" && Object.keys(value).length === 0) continue;
    const instead = neutral.length > 0 ? ` or set it to ${neutral.join(" or ")}` : "";
    throw refused(
      `${at}${name}: ${describe(value)} is not supported by this server; leave it out${instead}.`,
    );
  }
}

type Penalties = Pick<
  LogitAdjustments,
  "frequencyPenalty" | "presencePenalty" | "repetitionPenalty"
>;

/** How one prompt is continued. */
export interface Sampling {
  /** null: as many as the context has room for. */
  readonly maxNewTokens: number | null;
  readonly params: Omit<SamplingParams, "seed">;
  readonly penalties: Penalties;
  /** Ids may still be strangers to the model. */
  readonly logitBias: LogitAdjustments["logitBias"];
  readonly minNewTokens: number;
  /** null: a random one for each choice. */
  readonly seed: number | null;
  /** Number of continuations of each prompt. */
  readonly choiceCount: number;
  readonly stopStrings: readonly string[];
  readonly stopPatterns: readonly StopPattern[];
  readonly stopTokenIds: readonly number[];
  readonly ignoreEos: boolean;
  /** Leaves a stop string or stop token out of the text. */
  readonly trimStop: boolean;
  readonly skipSpecialTokens: boolean;
  /** Tokens between two events of a stream; null: as the server does. */
  readonly streamInterval: number | null;
}

/** The endpoint's own names and values of what differs between them. */
export interface SamplingSource {
  readonly lengthField: "max_tokens" | "max_new_tokens" | "max_completion_tokens";
  readonly maxNewTokens: number | null;
  readonly minNewTokens: number;
  readonly seed: number | null | undefined;
  readonly streamInterval: number | null;
  readonly defaults: DefaultSampling;
}

function check(ok: boolean, name: string, rule: string, value: number): void {
  if (!ok) throw refused(`${name} must be ${rule}, got ${value}.`);
}

/** Checks ranges and fills in defaults. Throws a 400 with SGLang's sentences. */
export function toSampling(fields: SamplingFields, source: SamplingSource): Sampling {
  const { lengthField, maxNewTokens, minNewTokens, seed, streamInterval, defaults } = source;
  const temperature = fields.temperature ?? defaults.temperature ?? 1;
  const topP = fields.top_p ?? defaults.topP ?? 1;
  const topK = fields.top_k ?? defaults.topK ?? -1;
  const minP = fields.min_p ?? defaults.minP ?? 0;
  const choiceCount = fields.n ?? 1;
  const stopStrings = textsOf(fields.stop, "stop");

  check(temperature >= 0, "temperature", "a non-negative finite number", temperature);
  check(topP > 0 && topP <= 1, "top_p", "in (0, 1]", topP);
  check(topK === -1 || topK >= 1, "top_k", "-1 (disable), or at least 1", topK);
  check(minP >= 0 && minP <= 1, "min_p", "in [0, 1]", minP);
  check(choiceCount >= 1 && choiceCount <= 128, "n", "in [1, 128]", choiceCount);
  if (maxNewTokens !== null) check(maxNewTokens >= 0, lengthField, "at least 0", maxNewTokens);
  checkMinNewTokens(minNewTokens, lengthField, maxNewTokens);
  if (streamInterval !== null) {
    check(streamInterval >= 1, "stream_interval", "at least 1", streamInterval);
  }

  return {
    maxNewTokens,
    params: { temperature, topP, topK, minP },
    penalties: penaltiesOf(fields, defaults),
    logitBias: logitBiasOf(fields.logit_bias ?? {}),
    minNewTokens,
    seed: seed ?? null,
    choiceCount,
    stopStrings,
    stopPatterns: textsOf(fields.stop_regex, "stop_regex").map(toPattern),
    stopTokenIds: fields.stop_token_ids ?? [],
    ignoreEos: fields.ignore_eos ?? false,
    trimStop: !(fields.no_stop_trim ?? false),
    skipSpecialTokens: fields.skip_special_tokens ?? true,
    streamInterval,
  };
}

function textsOf(value: string | string[] | null | undefined, name: string): string[] {
  const list = typeof value === "string" ? [value] : (value ?? []);
  if (list.includes("")) throw refused(`${name} must not hold an empty string.`);
  return list;
}

function toPattern(text: string): StopPattern {
  try {
    return { text, regex: new RegExp(text, "g") };
  } catch (error) {
    throw refused(`stop_regex: ${describe(text)}: ${(error as Error).message}.`);
  }
}

function checkMinNewTokens(
  minNewTokens: number,
  lengthField: SamplingSource["lengthField"],
  maxNewTokens: number | null,
): void {
  const name = lengthField === "max_new_tokens" ? "min_new_tokens" : "min_tokens";
  const most = maxNewTokens === null ? lengthField : `${lengthField}(${maxNewTokens})`;
  const ok = minNewTokens >= 0 && minNewTokens <= (maxNewTokens ?? Infinity);
  check(ok, name, `in [0, ${most}]`, minNewTokens);
}

function penaltiesOf(fields: SamplingFields, defaults: DefaultSampling): Penalties {
  const frequencyPenalty = fields.frequency_penalty ?? 0;
  const presencePenalty = fields.presence_penalty ?? 0;
  const repetitionPenalty = fields.repetition_penalty ?? defaults.repetitionPenalty ?? 1;
  check(Math.abs(frequencyPenalty) <= 2, "frequency_penalty", "in [-2, 2]", frequencyPenalty);
  check(Math.abs(presencePenalty) <= 2, "presence_penalty", "in [-2, 2]", presencePenalty);
  check(
    repetitionPenalty > 0 && repetitionPenalty <= 2,
    "repetition_penalty",
    "in (0, 2] (1.0 = no penalty)",
    repetitionPenalty,
  );
  return { frequencyPenalty, presencePenalty, repetitionPenalty };
}

/** Every step hands all of them to the device. */
const biasesMax = 1024;

function logitBiasOf(biases: Readonly<Record<string, number>>): Sampling["logitBias"] {
  const entries = Object.entries(biases);
  check(
    entries.length <= biasesMax,
    "logit_bias",
    `of at most ${biasesMax} tokens`,
    entries.length,
  );
  return entries.map(([key, bias]) => {
    const id = Number(key);
    if (!Number.isSafeInteger(id) || String(id) !== key) {
      throw malformed(`logit_bias: expected token ids as keys, got ${describe(key)}.`);
    }
    check(Number.isFinite(Math.fround(bias)), `logit_bias.${key}`, "finite in 32 bits", bias);
    return [id, bias];
  });
}

/** What the engine does to the logits; undefined where nothing is asked for. */
export function adjustmentsOf(
  { penalties, logitBias, minNewTokens }: Sampling,
  maxNewTokens: number,
  blockedTokenIds: readonly number[],
): LogitAdjustments | undefined {
  const { frequencyPenalty, presencePenalty, repetitionPenalty } = penalties;
  const penalized = frequencyPenalty !== 0 || presencePenalty !== 0 || repetitionPenalty !== 1;
  if (!penalized && logitBias.length === 0 && minNewTokens === 0) return undefined;
  return {
    ...penalties,
    logitBias,
    minNewTokens: Math.min(minNewTokens, maxNewTokens),
    blockedTokenIds,
  };
}

const seedCount = 2 ** 53;

/** Seeds for requests that name none: random, or the same ones after every start with the same `randomSeed`. */
export function seedSource(randomSeed: number | null): () => number {
  if (randomSeed === null) return () => Math.floor(Math.random() * seedCount);
  let next = randomSeed;
  return () => wrapSeed(next++);
}

/** The engine's seed for one choice; choice 0 of a seeded request draws what a request for one choice draws. */
export function seedOf({ seed }: Sampling, choice: number, drawSeed: () => number): number {
  return seed === null ? drawSeed() : wrapSeed(seed + choice);
}

function wrapSeed(seed: number): number {
  const rest = seed % seedCount;
  return rest < 0 ? rest + seedCount : rest;
}
