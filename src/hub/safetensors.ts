/**
 * Headers of safetensors files: u64 header length, a JSON header, then the data that its offsets count from.
 * Nothing in a header is believed before it is checked.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { isJsonObject, type Json } from "./json.ts";

/** Bits of one element. */
const dtypeBits = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
} as const;
export type Dtype = keyof typeof dtypeBits;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/** The format's own limit. */
const longestHeader = 100_000_000;

/** The tensors of a file, by offset. Throws an Error that names the file and the fault. */
export function readSafetensorsHeader(path: string): TensorEntry[] {
  const fd = openSync(path, "r");
  try {
    const fileBytes = fstatSync(fd).size;
    const length = headerLength(readFully(fd, 0, Math.min(8, fileBytes)), fileBytes);
    return parseHeader(readFully(fd, 8, length), fileBytes);
  } catch (error) {
    throw new Error(`${path} is not a valid safetensors file: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
}

function readFully(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = readSync(fd, buffer, done, length - done, position + done);
    if (read === 0) throw new Error("it is cut short");
    done += read;
  }
  return buffer;
}

/** Length in bytes of the JSON header of a file of `fileBytes` that begins with `start`. */
export function headerLength(start: Buffer, fileBytes: number): number {
  if (start.length < 8) throw new Error(`it has ${fileBytes} bytes, too few for a header`);
  const length = Number(start.readBigUInt64LE(0));
  if (length > longestHeader)
    throw new Error(`its header of ${length} bytes is over the limit of ${longestHeader}`);
  if (8 + length > fileBytes)
    throw new Error(`its header of ${length} bytes does not fit its ${fileBytes} bytes`);
  return length;
}

/** The tensors that `header` describes in a file of `fileBytes`, by offset. */
export function parseHeader(header: Buffer, fileBytes: number): TensorEntry[] {
  const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  if (!isJsonObject(json)) throw new Error("its header is no JSON object");
  const dataStart = 8 + header.length;
  const tensors = Object.entries(json)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => parseEntry(name, value, dataStart, fileBytes))
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  tensors.forEach((tensor, i) => {
    const before = tensors[i - 1];
    if (before && before.offset + before.bytes > tensor.offset) {
      throw new Error(`the data of ${before.name} and ${tensor.name} overlap`);
    }
  });
  return tensors;
}

function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  fileBytes: number,
): TensorEntry {
  if (!isJsonObject(value)) throw new Error(`${name} is not described by an object`);
  const dtype = parseDtype(name, value);
  const shape = naturals(value["shape"]);
  if (!shape) throw new Error(`the shape of ${name} is not a list of sizes`);
  const offsets = naturals(value["data_offsets"]);
  if (offsets?.length !== 2 || offsets[0]! > offsets[1]!)
    throw new Error(`${name} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  if (dataStart + end > fileBytes) {
    throw new Error(
      `${name} ends at byte ${dataStart + end}, the file at ${fileBytes}: is it cut short?`,
    );
  }
  const bytes = (shape.reduce((product, size) => product * size, 1) * dtypeBits[dtype]) / 8;
  if (bytes !== end - begin) {
    throw new Error(
      `${name} has ${end - begin} bytes, but ${dtype} [${shape.join(", ")}] takes ${bytes}`,
    );
  }
  return { name, dtype, shape, offset: dataStart + begin, bytes };
}

function parseDtype(name: string, value: Json): Dtype {
  const { dtype } = value;
  if (typeof dtype === "string" && Object.hasOwn(dtypeBits, dtype)) return dtype as Dtype;
  throw new Error(
    `${name} has dtype ${JSON.stringify(dtype)}; known are ${Object.keys(dtypeBits).join(", ")}`,
  );
}

/** The list of safe integers from 0 that `value` is, or null. */
function naturals(value: unknown): number[] | null {
  if (!Array.isArray(value)) return null;
  return value.every((n) => Number.isSafeInteger(n) && n >= 0) ? (value as number[]) : null;
}
