/**
 * Reads a file that holds one JSON array, element by element: ShareGPT's is larger than a string may be in some
 * engines, and public copies of it end in the middle of an element, where what is whole can still be used.
 */
import { readFileSync } from "node:fs";
import { UserError } from "../../user-error.ts";

export interface Truncation {
  /** Bytes of the file, all of them before the cut. */
  readonly bytes: number;
  /** Line on which the unfinished element begins, from 1. */
  readonly line: number;
  /** Offset at which the unfinished element begins. */
  readonly byte: number;
}
export interface JsonArrayFile<T> {
  readonly items: T[];
  /** null: the file is whole. */
  readonly truncation: Truncation | null;
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Keeps what `take` makes of each element. Throws a UserError that says where and why when the file holds
 * anything but an array or the beginning of one.
 */
export function readJsonArray<T>(
  path: string,
  take: (item: unknown, index: number) => T,
): JsonArrayFile<T> {
  const bytes = readFileSync(path);
  const items: T[] = [];
  let at = skipBlanks(bytes, 0);
  if (bytes[at] !== openBracket)
    throw new UserError(`${path}: expected a JSON array of conversations.`);
  at = skipBlanks(bytes, at + 1);
  while (bytes[at] !== closeBracket || items.length > 0) {
    // Not an empty array; a bracket right after a comma ends an empty element, which does not parse.
    const end = elementEnd(bytes, at);
    if (end === null) return { items, truncation: { bytes: bytes.length, ...place(bytes, at) } };
    items.push(take(parseElement(path, bytes, at, end), items.length));
    at = skipBlanks(bytes, end);
    if (bytes[at] === closeBracket) break;
    if (at < bytes.length && bytes[at] !== comma)
      throw invalid(path, bytes, at, "expected ',' or ']'");
    at = skipBlanks(bytes, at + 1);
  }
  at = skipBlanks(bytes, at + 1);
  if (at < bytes.length) throw invalid(path, bytes, at, "there is more after the array");
  return { items, truncation: null };
}

function parseElement(path: string, bytes: Buffer, from: number, to: number): unknown {
  try {
    return JSON.parse(bytes.toString("utf8", from, to));
  } catch (error) {
    throw invalid(path, bytes, from, (error as Error).message);
  }
}

function invalid(path: string, bytes: Uint8Array, at: number, reason: string): UserError {
  const { line, byte } = place(bytes, at);
  return new UserError(
    `${path}: not valid JSON in what begins on line ${line} (byte ${byte}): ${reason}.`,
  );
}

function place(bytes: Uint8Array, at: number): { line: number; byte: number } {
  const byte = Math.min(at, bytes.length);
  let line = 1;
  for (let end = bytes.indexOf(0x0a); end >= 0 && end < byte; end = bytes.indexOf(0x0a, end + 1))
    line++;
  return { line, byte };
}

/** The offset after the value that begins at `at`, null when the file ends before. Nesting decides; JSON.parse checks the rest. */
function elementEnd(bytes: Uint8Array, at: number): number | null {
  let depth = 0;
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === quote) {
      i = stringEnd(bytes, i);
      if (depth === 0 && i < bytes.length) return i + 1;
    } else if (byte === openBracket || byte === openBrace) depth++;
    else if ((byte === closeBracket || byte === closeBrace) && depth > 0) {
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (byte === comma || byte === closeBracket || isBlank(byte))) return i;
  }
  return null;
}

/** The offset of the quote that ends the string which begins at `at`. */
function stringEnd(bytes: Uint8Array, at: number): number {
  for (let end = bytes.indexOf(quote, at + 1); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}

function skipBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && isBlank(bytes[at]!)) at++;
  return at;
}

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
