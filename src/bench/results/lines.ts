/**
 * Reads result lines back: ours of any version, and those of bench_serving. What a line does not hold is absent, what
 * it holds in an unexpected type is absent too, and what is no result line is counted and skipped.
 */
import { readFileSync } from "node:fs";
import { UserError } from "../../user-error.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** One result line of a file. */
export interface SavedRun {
  readonly file: string;
  /** From 1. */
  readonly line: number;
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
  for (const [i, text] of readText(file).split("\n").entries()) {
    if (text.trim() === "") continue;
    const fields = parseFields(text);
    if (fields && isResult(fields)) runs.push({ file, line: i + 1, fields });
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

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
}

/** Every result line, whoever wrote it, names its backend and rate. */
const isResult = (fields: Fields): boolean =>
  typeof fields["backend"] === "string" && "request_rate" in fields;

/** The object that a line holds; null for anything else. Python's NaN is null, its Infinity the number. */
export function parseFields(line: string): Fields | null {
  const strict = line.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (word) => {
    if (word === "NaN") return "null";
    return word.endsWith("Infinity") ? word.replace("Infinity", "1e999") : word;
  });
  try {
    const value: unknown = JSON.parse(strict);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : null;
  } catch {
    return null;
  }
}

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

/** Requests that did not succeed, and those of the run. Without our keys nothing is known of failures. */
export function failuresOf(
  fields: Fields,
): { readonly failed: number; readonly of: number } | null {
  const completed = numberOf(fields, "completed");
  const sent = numberOf(fields, "sent", "planned");
  if (completed === null || sent === null) return null;
  return { failed: Math.max(0, sent - completed), of: sent };
}

/** No request of the run succeeded, so that its figures say nothing. */
export const allFailed = (fields: Fields): boolean => numberOf(fields, "completed") === 0;
