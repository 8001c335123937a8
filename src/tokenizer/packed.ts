/**
 * The packed form of a tokenizer: the tables of `Vocabulary` as they lie in memory behind a JSON header, so
 * that opening it is a few views on the file's bytes. Little-endian, each table aligned to 4 bytes:
 *
 *     "SBTOK001", u32 header length, header (JSON, padded with spaces)
 *     u32 offsets[vocabSize + 1], u32 left[merges], u32 right[merges], u32 result[merges]
 *     u8 flags[vocabSize], u8 data[dataBytes]
 */
import type { TokenizerConfig, TokenizerFiles } from "./files.ts";
import type { TokenizerJson } from "./vocabulary.ts";
import type { TokenBytes } from "./tokenizer.ts";

const magic = "SBTOK001";

interface Header {
  readonly vocabSize: number;
  readonly baseVocabSize: number;
  readonly mergeCount: number;
  readonly dataBytes: number;
  readonly stripsLeadingSpace: boolean;
  /** tokenizer.json with its vocabulary and merges emptied. */
  readonly json: TokenizerJson;
  readonly config: TokenizerConfig;
}

export function pack({ json, config, vocabulary }: TokenizerFiles): Uint8Array {
  const { bytes, baseVocabSize, left, right, result } = vocabulary;
  const header: Header = {
    vocabSize: bytes.flags.length,
    baseVocabSize,
    mergeCount: left.length,
    dataBytes: bytes.data.length,
    stripsLeadingSpace: bytes.stripsLeadingSpace,
    json,
    config,
  };
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(text.length / 4) * 4, " ");
  text.copy(padded);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(padded.length);
  const tables = [bytes.offsets, left, right, result].map((t) =>
    Buffer.from(t.buffer, t.byteOffset, t.byteLength),
  );
  return Buffer.concat([Buffer.from(magic), length, padded, ...tables, bytes.flags, bytes.data]);
}

/** A view of the tables in `file`, and of the header. Throws an Error if it is not a packed tokenizer. */
export function unpack(bytesOfFile: Uint8Array): TokenizerFiles {
  const file = plainView(bytesOfFile);
  const { header, start } = readHeader(file);
  const { bytes, end } = readBytes(file, header, start);
  const [left, right, result] = [0, 1, 2].map((i) =>
    words(file, end + i * header.mergeCount * 4, header.mergeCount),
  ) as [Uint32Array, Uint32Array, Uint32Array];
  return {
    json: header.json,
    config: header.config,
    vocabulary: { bytes, baseVocabSize: header.baseVocabSize, left, right, result },
  };
}

/** The part of `unpack` that turns ids to text. */
export function unpackBytes(bytesOfFile: Uint8Array): TokenBytes {
  const file = plainView(bytesOfFile);
  const { header, start } = readHeader(file);
  return readBytes(file, header, start).bytes;
}

/** Without the methods of a Buffer, whose `slice` does not copy. */
function plainView({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function readHeader(file: Uint8Array): { header: Header; start: number } {
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (view.subarray(0, 8).toString("latin1") !== magic) throw new Error("not a packed tokenizer");
  const start = 12 + view.readUInt32LE(8);
  return { header: JSON.parse(view.subarray(12, start).toString("utf8")) as Header, start };
}

function readBytes(
  file: Uint8Array,
  header: Header,
  start: number,
): { bytes: TokenBytes; end: number } {
  const { vocabSize, mergeCount, dataBytes, stripsLeadingSpace } = header;
  const end = start + (vocabSize + 1) * 4;
  const flagsAt = end + 3 * mergeCount * 4;
  const flags = file.subarray(flagsAt, flagsAt + vocabSize);
  const data = file.subarray(flagsAt + vocabSize, flagsAt + vocabSize + dataBytes);
  if (data.length !== dataBytes) throw new Error("packed tokenizer is cut short");
  return {
    bytes: { data, offsets: words(file, start, vocabSize + 1), flags, stripsLeadingSpace },
    end,
  };
}

/** `count` 32-bit words at `offset`; copied only where the file's bytes are not aligned in memory. */
function words(file: Uint8Array, offset: number, count: number): Uint32Array {
  const at = file.byteOffset + offset;
  if (at % 4 === 0) return new Uint32Array(file.buffer, at, count);
  return new Uint32Array(file.slice(offset, offset + count * 4).buffer);
}
