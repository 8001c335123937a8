/**
 * `/v1/completions`: as bench_serving asks SGLang, vLLM and LMDeploy, and in the plain form that any such server takes.
 */
import type { BenchOptions } from "../options.ts";
import { float, jsonDumps } from "../python-values.ts";
import type { PythonValue } from "../python-values.ts";
import type { BenchRequest } from "../request.ts";
import type { Backend } from "./backend.ts";
import { extraFields, usageWanted } from "./backend.ts";
import { OpenaiReader, type TextPlace } from "./openai-reader.ts";

const place: TextPlace = {
  name: "choices[0].text",
  find: (choice) => ("text" in choice ? choice.text : undefined),
};

const common = {
  path: "/v1/completions",
  authorized: true,
  takesIds: true,
  newReader: (options: BenchOptions) => new OpenaiReader(options, place),
  textPath: "choices.0.text",
};

/** Byte for byte bench_serving's request. */
export const openaiCompletions: Backend = { ...common, body: writeBody };

/** Without what only engines know (`best_of`, `ignore_eos`), and with the usage that OpenAI's streams leave out. */
export const plainCompletions: Backend = { ...common, body: writePlainBody };

function writeBody(
  { prompt, outputLen }: BenchRequest,
  model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    model,
    prompt,
    temperature: float(options.temperature),
    best_of: 1,
    max_tokens: outputLen,
    stream: !options.disableStream,
    ignore_eos: !options.disableIgnoreEos,
    ...extraFields(options),
  };
  return jsonDumps(fields);
}

function writePlainBody(
  { prompt, outputLen }: BenchRequest,
  model: string,
  options: BenchOptions,
): string {
  const fields: Record<string, PythonValue> = {
    model,
    prompt,
    temperature: float(options.temperature),
    max_tokens: outputLen,
    ...usageWanted(options),
    ...extraFields(options),
  };
  return jsonDumps(fields);
}
