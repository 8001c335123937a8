/**
 * Reads a file that holds one JSON array, also when the file was cut off: public copies of ShareGPT end in
 * the middle of a string. The whole elements before the cut can still be used.
 */
import { BenchError } from "../errors.ts";
import { readFileSync } from "node:fs";

export interface Truncation {
  /** Bytes of the file, all of them before the cut. */
  readonly bytes: number;
  /** Line on which the unfinished element begins, from 1. */
  readonly line: number;
  /** Offset at which the unfinished element begins. */
  readonly byte: number;
}
export interface JsonArrayFile {
  readonly items: unknown[];
  /** null: the file is whole. */
  readonly truncation: Truncation | null;
}

/** Throws a BenchError that says where and why when the file holds anything but an array or the beginning of one. */
export function readJsonArray(path: string): JsonArrayFile {
  const bytes = readFileSync(path);
  let items: unknown;
  try {
    items = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    return readBeginning(path, bytes, error);
  }
  if (!Array.isArray(items))
    throw new BenchError(`${path}: expected a JSON array of conversations.`);
  return { items, truncation: null };
}

function readBeginning(path: string, bytes: Buffer, error: unknown): JsonArrayFile {
  const { end, resume, closed } = scanElements(bytes);
  const reason = error instanceof Error ? error.message : String(error);
  const invalid = new BenchError(`${path}: not valid JSON (${reason}).`);
  if (closed || end === null) throw invalid;
  let items: unknown[];
  try {
    items = JSON.parse(`${bytes.toString("utf8", 0, end)}]`) as unknown[];
  } catch {
    throw invalid;
  }
  let line = 1;
  for (let at = bytes.indexOf(0x0a); at >= 0 && at < resume; at = bytes.indexOf(0x0a, at + 1))
    line++;
  return { items, truncation: { bytes: bytes.length, line, byte: resume } };
}

interface Scan {
  /** Offset after the last whole element; null when the bytes do not begin an array. */
  readonly end: number | null;
  /** Offset of the element that the cut falls into. */
  readonly resume: number;
  /** The array ends inside the bytes: whatever is wrong with them, they were not cut off. */
  readonly closed: boolean;
}

/** Finds element borders by nesting depth alone; UTF-8 keeps all of JSON's punctuation single bytes. */
function scanElements(bytes: Uint8Array): Scan {
  const start = bytes.findIndex((byte) => !isBlank(byte));
  if (bytes[start] !== 0x5b) return { end: null, resume: 0, closed: false };
  let depth = 0;
  let inString = false;
  let end = start + 1;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) depth++;
    else if (byte === 0x5d || byte === 0x7d) {
      depth--;
      if (depth === 0) return { end, resume: i, closed: true };
      if (depth === 1) end = i + 1;
    }
  }
  let resume = end;
  while (resume < bytes.length && (isBlank(bytes[resume]!) || bytes[resume] === 0x2c)) resume++;
  return { end, resume, closed: false };
}

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
