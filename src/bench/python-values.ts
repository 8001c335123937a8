/**
 * Values as Python prints them. Result files and tables are read by scripts written for bench_serving, so
 * numbers must come out as its `json.dumps` and `str.format` write them.
 */

/** A Python float: 2 is written 2.0. Plain numbers and bigints are ints. */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}
export const float = (value: number): PythonFloat => new PythonFloat(value);

export type PythonScalar = null | boolean | number | bigint | string | PythonFloat;
export type PythonValue =
  PythonScalar | readonly PythonValue[] | { readonly [key: string]: PythonValue };

/** `repr` of a float: the shortest digits that read back, an exponent from 1e16 up and below 1e-4. */
export function floatRepr(x: number): string {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (Object.is(x, -0)) return "-0.0";
  const magnitude = Math.abs(x);
  if (magnitude !== 0 && (magnitude >= 1e16 || magnitude < 1e-4)) {
    return x.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  const digits = String(x);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

/** `{:.2f}` below 1e21: rounds the exact value, ties to even (`toFixed` takes them away from zero). */
export function fixed2(x: number): string {
  if (!Number.isFinite(x)) return floatRepr(x);
  const eighths = Math.abs(x) * 8; // x.xx5 is exact in binary only for odd multiples of 1/8
  const text = x.toFixed(2);
  const tiedUp = Number.isInteger(eighths) && eighths % 2 === 1 && /[13579]$/.test(text);
  return tiedUp ? text.slice(0, -1) + (Number(text.at(-1)) - 1) : text;
}

/** `json.dumps` with its defaults: ASCII only, ", " and ": ", bare NaN and Infinity. */
export function jsonDumps(value: PythonValue): string {
  if (value instanceof PythonFloat) return jsonFloat(value.value);
  if (typeof value === "string") return jsonString(value);
  if (value === null || typeof value !== "object") return String(value);
  if (isList(value)) return `[${value.map(jsonDumps).join(", ")}]`;
  const fields = Object.entries(value).map(
    ([key, field]) => `${jsonString(key)}: ${jsonDumps(field)}`,
  );
  return `{${fields.join(", ")}}`;
}

const isList = (value: PythonValue): value is readonly PythonValue[] => Array.isArray(value);

function jsonFloat(x: number): string {
  if (Number.isNaN(x)) return "NaN";
  if (Number.isFinite(x)) return floatRepr(x);
  return x > 0 ? "Infinity" : "-Infinity";
}

function jsonString(text: string): string {
  return JSON.stringify(text).replaceAll(
    // eslint-disable-next-line no-control-regex -- DEL is the one ASCII character that only Python escapes
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A JSON object with its numbers as `json.loads` tells them apart: `jsonDumps` writes 1.0 and long integers again. */
export function jsonLoads(text: string): Record<string, PythonValue> {
  return JSON.parse(text, reviveNumber as never) as Record<string, PythonValue>;
}

function reviveNumber(_key: string, value: unknown, { source }: { source: string }): unknown {
  if (typeof value !== "number") return value;
  if (/[.eE]/.test(source)) return float(value);
  return Number.isSafeInteger(value) ? value : BigInt(source);
}

/** `json.loads` also reads bare NaN and Infinity, which servers written in Python send; here they become null. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const bare = /"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)/g;
    return JSON.parse(text.replace(bare, (token) => (token.startsWith('"') ? token : "null")));
  }
}

/** `repr` of what `argparse` puts into a Namespace. */
export function repr(value: PythonScalar): string {
  if (value instanceof PythonFloat) return floatRepr(value.value);
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? stringRepr(value) : String(value);
}

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };
  const body = text.replaceAll(/[\n\r\t\\]/g, (c) => escapes[c]!).replaceAll(quote, `\\${quote}`);
  return quote + body + quote;
}
