/**
 * Writes a GGUF file of a preset's shape with pseudo-random bf16 weights, for llama.cpp: as many bytes and operations as
 * the preset has here. The tokenizer is a SentencePiece one of byte tokens and made-up words.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { presetConfig } from "../../src/hub/presets.ts";
import { parseConfig, type ModelConfig } from "../../src/model/config.ts";

const align = 32;
const kind = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9 } as const;
const tensorType = { f32: 0, bf16: 30 } as const;
const fileTypeBf16 = 32;

/** Little-endian fields as GGUF writes them. */
class Fields {
  readonly #parts: Buffer[] = [];

  u32 = (value: number) => this.#add(4, (b) => b.writeUInt32LE(value));
  u64 = (value: number) => this.#add(8, (b) => b.writeBigUInt64LE(BigInt(value)));
  text(value: string): this {
    const bytes = Buffer.from(value);
    this.u64(bytes.length);
    this.#parts.push(bytes);
    return this;
  }
  entry(key: string, type: "u32" | "f32" | "bool" | "text", value: number | string): this {
    this.text(key).u32(kind[type]);
    if (type === "text") return this.text(String(value));
    if (type === "bool") return this.#add(1, (b) => b.writeUInt8(Number(value)));
    if (type === "f32") return this.#add(4, (b) => b.writeFloatLE(Number(value)));
    return this.u32(Number(value));
  }
  list(key: string, type: "i32" | "f32" | "text", count: number): this {
    return this.text(key).u32(kind.list).u32(kind[type]).u64(count);
  }
  raw(values: Int32Array | Float32Array): this {
    this.#parts.push(Buffer.from(values.buffer));
    return this;
  }
  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
  #add(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}

interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
}

function tensorsOf(config: ModelConfig): TensorShape[] {
  const { hiddenSize: h, ffnSize: f, heads, kvHeads, headDim, vocabSize } = config;
  const layer = (i: number): TensorShape[] =>
    Object.entries({
      attn_norm: [h],
      attn_q: [heads * headDim, h],
      attn_k: [kvHeads * headDim, h],
      attn_v: [kvHeads * headDim, h],
      attn_output: [h, heads * headDim],
      ffn_norm: [h],
      ffn_gate: [f, h],
      ffn_up: [f, h],
      ffn_down: [h, f],
    }).map(([name, shape]) => ({ name: `blk.${i}.${name}.weight`, shape }));
  return [
    { name: "token_embd.weight", shape: [vocabSize, h] },
    ...Array.from({ length: config.layers }, (_, i) => layer(i)).flat(),
    { name: "output_norm.weight", shape: [h] },
  ];
}

const bytesOf = ({ shape }: TensorShape) =>
  shape.reduce((product, size) => product * size, shape.length === 1 ? 4 : 2);
const aligned = (bytes: number) => Math.ceil(bytes / align) * align;

function header(config: ModelConfig, tensors: readonly TensorShape[]): Buffer {
  const { vocabSize } = config;
  const words = Array.from({ length: vocabSize }, (_, id) => {
    if (id < 3) return ["<unk>", "<s>", "</s>"][id]!;
    return id < 259
      ? `<0x${(id - 3).toString(16).toUpperCase().padStart(2, "0")}>`
      : `\u2581w${id}`;
  });
  const wordTypes = Int32Array.from(words, (_, id) =>
    id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1,
  );
  const out = new Fields().u32(0x46554747).u32(3).u64(tensors.length).u64(18);
  out.entry("general.architecture", "text", "llama");
  out.entry("general.file_type", "u32", fileTypeBf16);
  out.entry("llama.vocab_size", "u32", vocabSize);
  out.entry("llama.block_count", "u32", config.layers);
  out.entry("llama.context_length", "u32", 8192);
  out.entry("llama.embedding_length", "u32", config.hiddenSize);
  out.entry("llama.feed_forward_length", "u32", config.ffnSize);
  out.entry("llama.attention.head_count", "u32", config.heads);
  out.entry("llama.attention.head_count_kv", "u32", config.kvHeads);
  out.entry("llama.attention.layer_norm_rms_epsilon", "f32", config.normEps);
  out.entry("llama.rope.dimension_count", "u32", config.headDim);
  out.entry("tokenizer.ggml.model", "text", "llama");
  out.list("tokenizer.ggml.tokens", "text", vocabSize);
  for (const word of words) out.text(word);
  out.list("tokenizer.ggml.scores", "f32", vocabSize).raw(new Float32Array(vocabSize));
  out.list("tokenizer.ggml.token_type", "i32", vocabSize).raw(wordTypes);
  out.entry("tokenizer.ggml.bos_token_id", "u32", 1);
  out.entry("tokenizer.ggml.eos_token_id", "u32", 2);
  out.entry("tokenizer.ggml.add_bos_token", "bool", 0);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    out.text(name).u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(shape.length === 1 ? tensorType.f32 : tensorType.bf16).u64(offset);
    offset += aligned(bytesOf(tensor));
  }
  return out.bytes();
}

/** bf16 in +-[1/128, 1/64), the same run over and over. */
function randomWeights(count: number): Buffer {
  let state = 1;
  const values = Uint16Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 31) * 0x8000 + 0x3c00 + ((state >>> 16) & 0x7f);
  });
  return Buffer.from(values.buffer);
}

/** `preset` without its prefix. */
export function writeGguf(path: string, preset: string): void {
  const config = parseConfig(presetConfig(preset));
  const tensors = tensorsOf(config);
  const weights = randomWeights(2 ** 22);
  const file = openSync(path, "w");
  const write = (bytes: Buffer) => {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
  };
  try {
    const head = header(config, tensors);
    write(Buffer.concat([head, Buffer.alloc(aligned(head.length) - head.length)]));
    for (const tensor of tensors) {
      const bytes = aligned(bytesOf(tensor));
      if (tensor.shape.length === 1) {
        write(Buffer.from(new Float32Array(bytes / 4).fill(1).buffer));
        continue;
      }
      for (let done = 0; done < bytes; done += weights.length) {
        write(weights.subarray(0, Math.min(weights.length, bytes - done)));
      }
    }
  } finally {
    closeSync(file);
  }
}
