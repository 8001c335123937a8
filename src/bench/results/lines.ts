/**
 * Reads result lines back: ours of any version, and those of bench_serving. What a line does not hold is absent, what
 * it holds in an unexpected type is absent too, and what is no result line is counted and skipped.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { UserError } from "../../user-error.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** One result line of a file. */
export interface SavedRun {
  readonly file: string;
  /** From 1; null: a run of the store, which `file` names. */
  readonly line: number | null;
  readonly fields: Fields;
}

export interface ResultFile {
  readonly runs: readonly SavedRun[];
  /** Lines that are no result line, such as the torn last one of a full disk. */
  readonly skipped: number;
}

/** @throws UserError when the file cannot be read or holds no result line. */
export function readResultFile(file: string): ResultFile {
  const runs: SavedRun[] = [];
  let skipped = 0;
  let records = 0;
  let line = 0;
  for (const text of linesOf(file)) {
    line++;
    if (text.trim() === "") continue;
    const fields = parseFields(text);
    if (fields && isResult(fields)) runs.push({ file, line, fields });
    else skipped++;
    if (fields && "sentS" in fields) records++;
  }
  if (runs.length > 0) return { runs, skipped };
  throw new UserError(
    records > 0
      ? `${file} holds records of requests, not result lines: give it with --records, beside the file of --output-file.`
      : `${file} holds no result line; expected the file that servebench bench --output-file writes.`,
  );
}

const chunkBytes = 1 << 20;

/** The lines of a file, however large, one after the other. @throws UserError when it cannot be read. */
export function* linesOf(file: string): Generator<string> {
  const handle = readable(file, () => openSync(file, "r"));
  const decoder = new StringDecoder();
  const chunk = Buffer.alloc(chunkBytes);
  let rest = "";
  try {
    for (;;) {
      const bytes = readable(file, () => readSync(handle, chunk));
      if (bytes === 0) break;
      const lines = decoder.write(chunk.subarray(0, bytes)).split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop()!;
      yield* lines;
    }
    if (rest !== "") yield rest;
  } finally {
    closeSync(handle);
  }
}

function readable<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new UserError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
}

/** Every result line, whoever wrote it, names its backend and rate. */
const isResult = (fields: Fields): boolean =>
  typeof fields["backend"] === "string" && "request_rate" in fields;

/** The object that a line holds; null for anything else. Python's NaN is null, its Infinity the number. */
export function parseFields(line: string): Fields | null {
  const value = parsed(line) ?? parsed(strict(line));
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

/** null for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const strict = (line: string): string =>
  line.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (word) => {
    if (word === "NaN") return "null";
    return word.endsWith("Infinity") ? word.replace("Infinity", "1e999") : word;
  });

/** The first of `names` that holds a finite number; null if none does. */
export function numberOf(fields: Fields, ...names: readonly string[]): number | null {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === "number" && Number.isFinite(value)) return value;
  }
  return null;
}

/** A text in one line; what would steer a terminal is left out. */
export function textOf(fields: Fields, name: string): string | null {
  const value = fields[name];
  return typeof value === "string" ? value.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ") : null;
}

/** Requests a second that were asked for; Infinity when all were sent at once. */
export function rateOf(fields: Fields): number | null {
  const rate = fields["request_rate"];
  if (rate === "inf") return Infinity;
  return typeof rate === "number" && rate > 0 ? rate : null;
}

/** An object that a line holds under a name; an empty one if it holds none. */
export function objectOf(fields: Fields, name: string): Fields {
  const value = fields[name];
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** Requests whose reply was what was asked for. bench_serving also counts those that came short. */
const successesOf = (fields: Fields): number | null =>
  numberOf(objectOf(fields, "outcomes"), "ok") ?? numberOf(fields, "completed");

/** Requests that did not succeed, and those of the run. Without our keys nothing is known of failures. */
export function failuresOf(
  fields: Fields,
): { readonly failed: number; readonly of: number } | null {
  const successes = successesOf(fields);
  const sent = numberOf(fields, "sent", "planned");
  if (successes === null || sent === null) return null;
  return { failed: Math.max(0, sent - successes), of: sent };
}

/** No request of the run succeeded, so that its figures say nothing. */
export const allFailed = (fields: Fields): boolean => successesOf(fields) === 0;

/** What to know of a run before its figures; null where all requests succeeded, as far as the line tells. */
export function failuresText(fields: Fields): string | null {
  if (allFailed(fields)) return "all requests failed.";
  const failures = failuresOf(fields);
  if (!failures || failures.failed === 0) return null;
  const short = numberOf(objectOf(fields, "outcomes"), "short_output") ?? 0;
  const which = short > 0 ? "failed or came short" : "failed";
  return `${failures.failed} of ${failures.of} requests ${which}; latencies are of the others.`;
}
